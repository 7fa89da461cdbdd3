"""`rolevec convert`."""

from __future__ import annotations

from pathlib import Path

import click

from rolevec.cli.options import as_json as json_option
from rolevec.cli.output import print_json
from rolevec.training.convert import convert_static

_folder = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("source", type=_folder)
@click.argument("output", type=_folder)
@click.option(
    "--bits",
    type=click.Choice(["8", "16"]),
    default="8",
    show_default=True,
    help="Of a weight; 16 are a float16 number.",
)
@click.option("--name", help="Name of the model; the source folder's if not given.")
@json_option
def command(source: Path, output: Path, bits: str, name: str | None, as_json: bool) -> None:
    """Rewrite the static model in SOURCE, of model2vec or sentence-transformers, into OUTPUT.

    The result loads as "static:OUTPUT", without either library.
    """
    folder = convert_static(source, output, bits=16 if bits == "16" else 8, name=name)
    if as_json:
        print_json({"folder": str(folder)})
        return
    click.echo(f"The model is in {folder}.")
    click.echo(f"Try: rolevec doctor static:{folder}")
