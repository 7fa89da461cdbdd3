"""`rolevec serve`."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from rolevec.cli.options import as_json as json_option
from rolevec.cli.output import print_json
from rolevec.server.keys import digest, new_key
from rolevec.server.settings import (
    KeySettings,
    ModelSettings,
    RerankerSettings,
    Settings,
    load_settings,
)


def _aliases(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> list[tuple[str, str]]:
    """``NAME`` or ``NAME=MODEL`` as pairs of an alias and a model; "" is the first one."""
    pairs = []
    for value in values:
        name, _, model = value.partition("=")
        if not name:
            raise click.BadParameter(f"{value!r} is not of the form NAME or NAME=MODEL")
        pairs.append((name, model))
    return pairs


@click.command()
@click.argument("models", nargs=-1)
@click.option(
    "--config",
    "-c",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="TOML file with models, keys and limits; options win over it.",
)
@click.option("--host", help="Address to bind; 127.0.0.1 if not given.")
@click.option("--port", "-p", type=click.IntRange(0, 65535), help="8000 if not given.")
@click.option(
    "--alias",
    "aliases",
    multiple=True,
    callback=_aliases,
    metavar="NAME[=MODEL]",
    help="Another name for a model, the first if none is said; may be repeated.",
)
@click.option(
    "--vendor-names/--no-vendor-names",
    default=None,
    help="Names of Cohere's and OpenAI's embedding models mean the first model, unless one here"
    " bears them; so it is if not said.",
)
@click.option(
    "--any-name", is_flag=True, default=None, help="Unknown model names mean the first model."
)
@click.option("--reranker", "rerankers", multiple=True, help="A cross-encoder; may be repeated.")
@click.option(
    "--allow-open", is_flag=True, default=None, help="Bind another address without a key."
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="info writes"
    " a line per request.",
)  # fmt: skip
@click.option("--new-key", metavar="NAME", help="Make a key, show it once, and end.")
@json_option
def command(
    models: tuple[str, ...],
    config: Path | None,
    aliases: list[tuple[str, str]],
    rerankers: tuple[str, ...],
    new_key: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Serve MODELS, the bundled one if none is given, as Cohere, OpenAI and TEI do.

    The environment variable ROLEVEC_API_KEY is a key that requests must give; more keys, each with
    its rate, stand in the TOML file as hashes.
    """
    if new_key is not None:
        _show_key(new_key, as_json=as_json)
        return
    changes = {name: value for name, value in flags.items() if value is not None}
    if models:
        changes["models"] = tuple(ModelSettings(model) for model in models)
    if rerankers:
        changes["rerankers"] = tuple(RerankerSettings(model) for model in rerankers)
    settings = load_settings(config, **changes) if config else Settings(**changes)
    settings = _with_key(_with_aliases(settings, aliases))

    def started(address: str) -> None:
        if as_json:
            print_json({"address": address})
            return
        click.echo(f"Serving on {address} (Cohere: {address}, OpenAI: {address}/v1)")

    # Only now: it needs the extra.
    import_module("rolevec.server").serve(settings, on_start=started)


def _with_aliases(settings: Settings, aliases: list[tuple[str, str]]) -> Settings:
    models = list(settings.models)
    for name, model in aliases:
        places = [i for i, m in enumerate(models) if not model or model in (m.model, m.name)]
        if not places:
            known = ", ".join(m.name or m.model for m in models)
            raise click.BadParameter(f"--alias {name}={model}: there is no {model}, only {known}")
        place = places[0]
        models[place] = replace(models[place], aliases=(*models[place].aliases, name))
    return replace(settings, models=tuple(models))


def _with_key(settings: Settings) -> Settings:
    key = os.environ.get("ROLEVEC_API_KEY")
    if not key:
        return settings
    return replace(settings, keys=(*settings.keys, KeySettings("ROLEVEC_API_KEY", digest(key))))


def _show_key(name: str, *, as_json: bool) -> None:
    key = new_key()
    if as_json:
        print_json({"name": name, "key": key, "sha256": digest(key)})
        return
    click.echo(f"The key, shown only now: {key}\n")
    click.echo(f'[[keys]]\nname = "{name}"\nsha256 = "{digest(key)}"')
