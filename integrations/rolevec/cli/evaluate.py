"""`rolevec evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from rolevec.cli.options import as_json, truncation_option
from rolevec.cli.output import print_json, print_table
from rolevec.encoders.loading import load_encoder
from rolevec.evaluation.datasets import find_datasets
from rolevec.evaluation.report import Report, check_format
from rolevec.evaluation.runner import METRICS, evaluate
from rolevec.evaluation.significance import Comparison, compare
from rolevec.vectors import check_dimensions


def _read_target(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """Refuse a wrong name now, not after the encoding."""
    try:
        if value is not None:
            check_format(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return value


@click.command()
@click.argument("model")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--report",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_read_target,
    help="Write all scores, language by language, to this .md or .json file.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    default=METRICS,
    show_default=True,
    help="Of retrieval: ndcg, recall, mrr, map, precision or hit, with @k. Several times for more.",
)
@click.option(
    "--compare",
    "other",
    metavar="MODEL",
    help="Evaluate this model too, and say whether the difference is more than luck.",
)
@click.option(
    "--dimensions",
    type=click.IntRange(min=1),
    multiple=True,
    help="Keep this many leading coordinates. Several times to compare cuts.",
)
@truncation_option
@as_json
def command(
    model: str,
    path: Path,
    target: Path | None,
    metrics: tuple[str, ...],
    other: str | None,
    dimensions: tuple[int, ...],
    truncation: str,
    as_json: bool,
) -> None:
    """Measure MODEL on the data sets at PATH.

    PATH is a folder, searched at any depth for retrieval sets (BEIR's format; neighbours named
    FAMILY-LANGUAGE are searched across languages too), bitext (as LASER's Tatoeba test), triples
    (.jsonl) and scored pairs (.tsv, .csv).
    """
    datasets = find_datasets(path)
    names = [name for name in (model, other) if name is not None]
    # All before the first is measured: a spelling mistake should not cost an hour.
    encoders = [load_encoder(name, truncation=truncation) for name in names]  # type: ignore[arg-type]
    for encoder in encoders:
        for cut in dimensions:
            check_dimensions(cut, encoder.dim)
    reports = [
        evaluate(encoder, datasets, metrics=metrics, dimensions=dimensions, progress=not as_json)
        for encoder in encoders
    ]
    result = compare(*reports) if other is not None else reports[0]
    if target is not None:
        result.save(target)
    if as_json:
        print_json(result.to_dict())
    else:
        _print(result)
    if target is not None and not as_json:
        click.echo(f"Written to {target}.")


def _print(result: Report | Comparison) -> None:
    for report in (result,) if isinstance(result, Report) else (result.a, result.b):
        print_table(*report.overall_table(), title=report.model)
    if isinstance(result, Comparison):
        print_table(*result.table(), title=f"a: {result.a.model}, b: {result.b.model}")
