"""`rolevec doctor`."""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version

import click

import rolevec
from rolevec.cli.options import as_json as json_option
from rolevec.cli.output import print_json, print_table
from rolevec.encoders.checks import Check, check_encoder
from rolevec.encoders.loading import load_encoder

_PACKAGES = (
    *("numpy", "tokenizers", "qdrant-client", "qdrant-edge-py", "onnxruntime", "huggingface-hub"),
    *("torch", "transformers", "langchain-core", "llama-index-core"),
)


@click.command()
@click.argument("model", default="light")
@click.option("--device", default="auto", show_default=True, help='"cpu", "cuda", …')
@json_option
def command(model: str, device: str, as_json: bool) -> None:
    """Load MODEL and check what every encoder promises.

    Vectors have length 1 and the right dimension, a query differs from a document, a batch equals
    single calls, prompts reach the model, and cut texts are reported. The exit code is 1 if a
    check fails.
    """
    installed = _installed()
    with load_encoder(model, device=device) as encoder:
        checks = check_encoder(encoder)
        name = encoder.name
    failed = [check for check in checks if not check.passed]
    if as_json:
        print_json(
            {"model": name, "checks": [asdict(check) for check in checks], "installed": installed}
        )
    else:
        _print(name, checks, installed)
    if failed:
        click.echo(f"{len(failed)} of {len(checks)} checks failed.", err=True)
        sys.exit(1)


def _print(name: str, checks: list[Check], installed: dict[str, str | None]) -> None:
    rows = [("ok" if c.passed else "FAILED", c.name, c.detail) for c in checks]
    print_table(["", "check", "seen"], rows, wide="seen", title=name)
    click.echo()
    click.echo("Installed: " + ", ".join(f"{k} {v}" for k, v in installed.items() if v))
    missing = [package for package, found in installed.items() if not found]
    if missing:
        click.echo("Not installed: " + ", ".join(missing))


def _installed() -> dict[str, str | None]:
    found: dict[str, str | None] = {
        "rolevec": rolevec.__version__,
        "python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found
