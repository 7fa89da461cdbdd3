"""`rolevec plan`."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from typing import Any

import click

from rolevec.cli.options import as_json as json_option
from rolevec.cli.options import model_option
from rolevec.cli.output import print_json, print_table
from rolevec.encoders.loading import load_encoder
from rolevec.indexing.rates import Rates, known_rates, measured_rates
from rolevec.indexing.sizing import QUANTIZATIONS, Line, Quantization, Request, plan, size

_GB = 10**9


class _Whole(click.ParamType[int]):
    """A whole number, which may be written as 1e9."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = float(value)
            if number != int(number):
                raise ValueError
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no whole number such as 1000000 or 1e6", param, ctx)
        # Digits beyond those of a float stay as they were written.
        return int(value) if str(value).lstrip("+-").isdigit() else int(number)


@click.command()
@click.option("--points", type=_Whole(), required=True, help="Documents, or parts of them: 1e9.")
@click.option("--dim", type=_Whole(), help="Dimension; by default the model's.")
@click.option(
    "--quantization",
    "quantizations",
    type=click.Choice(QUANTIZATIONS),
    multiple=True,
    default=QUANTIZATIONS,
    help="Of the vectors that are scanned; may be repeated. By default all are compared.",
)
@click.option("--on-disk", is_flag=True, help="Leave vectors that are not quantised on the disk.")
@click.option("--replicas", type=_Whole(), default=1, show_default=True, help="Copies in all.")
@click.option(
    "--text-bytes", type=_Whole(), default=200, show_default=True, help="Bytes of a text, UTF-8."
)
@click.option("--tokens", type=_Whole(), default=50, show_default=True, help="Tokens of a text.")
@click.option("--cores", type=_Whole(), default=8, show_default=True, help="Cores in all.")
@click.option("--node-memory", type=_Whole(), default=64, show_default=True, metavar="GB")
@click.option("--node-disk", type=_Whole(), default=1000, show_default=True, metavar="GB")
@model_option
@click.option(
    "--measure", is_flag=True, help="Measure this machine with the model, for about a minute."
)
@click.option("--markdown", is_flag=True, help="Print a table in Markdown.")
@json_option
def command(
    points: int,
    dim: int | None,
    quantizations: tuple[Quantization, ...],
    node_memory: int,
    node_disk: int,
    model: str,
    measure: bool,
    markdown: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Say how much memory, disk and time a collection of so many points takes.

    Hours come from measured rates: those that come with the package, or with --measure those of
    this machine. Every line says where its number comes from. Units are decimal.
    """
    rates = _measured(model) if measure else known_rates(model)
    dim = rates.dim if dim is None else dim
    options |= {"node_memory": node_memory * _GB, "node_disk": node_disk * _GB}
    plans = {
        kind: plan(Request(points, dim, kind, **options), rates)
        for kind in dict.fromkeys(quantizations)
    }
    if as_json:
        print_json({kind: [asdict(line) for line in lines] for kind, lines in plans.items()})
        return
    headings = ["", *(f">{kind}" for kind in plans)]
    rows = [[lines[0].name, *map(_shown, lines)] for lines in zip(*plans.values(), strict=True)]
    sources = _sources(plans)
    if markdown:
        _print_markdown(headings, rows, sources)
        return
    print_table(headings, rows, title=f"{points:,} points of {dim} dimensions")
    click.echo()
    for line in sources:
        click.echo(line)


def _measured(model: str) -> Rates:
    demo = json.loads(files("rolevec.cli").joinpath("demo.json").read_text(encoding="utf-8"))
    click.echo("Measuring this machine; it takes about a minute.", err=True)
    with load_encoder(model, truncation="end") as encoder:
        return measured_rates(encoder, [document["text"] for document in demo["documents"]])


def _sources(plans: dict[Quantization, list[Line]]) -> list[str]:
    """Where the numbers of each line come from, once where all columns agree."""
    found = []
    for lines in zip(*plans.values(), strict=True):
        given = dict.fromkeys(line.source for line in lines)
        for source in given:
            kinds = [kind for kind, line in zip(plans, lines, strict=True) if line.source == source]
            only = "" if len(given) == 1 else f" ({', '.join(kinds)})"
            found.append(f"{lines[0].name}{only}: {source}")
    return found


def _shown(line: Line) -> str:
    if line.unit == "bytes":
        return size(line.value)
    if line.unit == "nodes":
        return f"{line.value:,.0f}"
    if 0 < line.value < 0.1:
        return "under 0.1 h"
    return f"{line.value:,.1f} h" if line.value < 100 else f"{line.value:,.0f} h"


def _print_markdown(headings: list[str], rows: list[list[str]], sources: list[str]) -> None:
    names = [heading.removeprefix(">") for heading in headings]
    click.echo(f"| {' | '.join(names)} |")
    click.echo(f"|---|{'--:|' * (len(names) - 1)}")
    for row in rows:
        click.echo(f"| {' | '.join(row)} |")
    click.echo()
    for source in sources:
        click.echo(f"- {source}")
