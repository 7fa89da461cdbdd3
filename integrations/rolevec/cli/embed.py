"""`rolevec embed`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np

from rolevec.cli.options import (
    as_json,
    dimensions_option,
    model_option,
    truncation_option,
)
from rolevec.cli.output import print_json
from rolevec.encoders.loading import load_encoder
from rolevec.errors import UnsupportedRole
from rolevec.roles import Role
from rolevec.vectors import Matrix

_SHOWN = 6


def _read_role(ctx: click.Context, param: click.Parameter, value: str) -> Role:
    try:
        return Role.parse(value)
    except UnsupportedRole as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.argument("texts", nargs=-1)
@click.option(
    "--role",
    "-r",
    required=True,
    callback=_read_role,
    metavar="[query|document|classification|clustering]",
    help="What the texts are for; Cohere's names work too.",
)
@model_option
@dimensions_option
@truncation_option
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the vectors to this .npy file.",
)
@as_json
def command(
    texts: tuple[str, ...],
    role: Role,
    model: str,
    dimensions: int | None,
    truncation: str,
    output: Path | None,
    as_json: bool,
) -> None:
    """Turn TEXTS, or the lines of standard input, into vectors of length 1."""
    lines = list(texts) or [line.rstrip("\r\n") for line in sys.stdin]
    encoder = load_encoder(model, dimensions=dimensions, truncation=truncation)  # type: ignore[arg-type]
    vectors = encoder.encode(lines, role, progress=output is not None)
    if output is not None:
        np.save(output, vectors)
    if as_json:
        rows = None if output is not None else vectors.tolist()
        shown = {"model": encoder.name, "role": role.value, "dim": encoder.dim, "texts": len(lines)}
        print_json(shown if rows is None else {**shown, "vectors": rows})
    elif output is not None:
        click.echo(f"{len(vectors)} vectors of dimension {encoder.dim} written to {output}")
    else:
        _print_short(lines, vectors)


def _print_short(texts: list[str], vectors: Matrix) -> None:
    for text, row in zip(texts, vectors, strict=True):
        numbers = " ".join(f"{x:+.4f}" for x in row[:_SHOWN])
        more = f" … ({len(row)} in all)" if len(row) > _SHOWN else ""
        click.echo(f"{numbers}{more}  {text}")
