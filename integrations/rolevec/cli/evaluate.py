"""`rolevec evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import click

from rolevec.cli.options import as_json, open_for_reading, truncation_option
from rolevec.cli.output import print_json, print_table
from rolevec.encoders.loading import load_encoder
from rolevec.evaluation.datasets import find_datasets
from rolevec.evaluation.mteb import run_mteb
from rolevec.evaluation.report import Report, check_format
from rolevec.evaluation.runner import METRICS, evaluate
from rolevec.evaluation.significance import Comparison, compare
from rolevec.evaluation.storage import StorageReport, evaluate_storage
from rolevec.qdrant.stores import DEFAULT_STORE
from rolevec.qdrant.tuning import storage_choices
from rolevec.vectors import check_dimensions

Result: TypeAlias = Report | Comparison | StorageReport


def _read_targets(
    ctx: click.Context, param: click.Parameter, value: tuple[Path, ...]
) -> tuple[Path, ...]:
    """Refuse a wrong name now, not after the encoding."""
    try:
        for target in value:
            check_format(target)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return value


@click.command()
@click.argument("model", default="light")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option(
    "--report",
    "targets",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    callback=_read_targets,
    help="Write all scores, language by language, to this .md, .json, .png or .svg file. Several"
    " times for more.",
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
    metavar="MODEL_A",
    help="Evaluate this model first, and say whether MODEL differs by more than luck.",
)
@click.option(
    "--mteb",
    "tasks",
    multiple=True,
    metavar="TASK",
    help="Run this MTEB task, whose data come from the Hugging Face hub. Several times for more.",
)
@click.option(
    "--storage",
    metavar="COLLECTION",
    help="Measure ways to store this collection against exact search; PATH may hold queries.",
)
@click.option(
    "--store",
    "-s",
    default=DEFAULT_STORE,
    envvar="ROLEVEC_STORE",
    show_default=True,
    help="Of --storage: a folder, or the URL of a Qdrant server.",
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
    path: Path | None,
    targets: tuple[Path, ...],
    metrics: tuple[str, ...],
    other: str | None,
    tasks: tuple[str, ...],
    storage: str | None,
    store: str,
    dimensions: tuple[int, ...],
    truncation: str,
    as_json: bool,
) -> None:
    """Measure MODEL on the data sets at PATH.

    PATH is a folder, searched at any depth for retrieval sets (BEIR's format; neighbours named
    FAMILY-LANGUAGE are searched across languages too), bitext (as LASER's Tatoeba test), triples
    (.jsonl) and scored pairs (.tsv, .csv).

    \b
    rolevec evaluate light DATA
    rolevec evaluate --compare MODEL_A MODEL_B DATA
    rolevec evaluate MODEL --mteb TASK
    rolevec evaluate --storage COLLECTION [MODEL [QUERIES]]
    """
    if storage is not None:
        result: Result = _storage(storage, model, store, path)
    elif tasks:
        _mteb(model, tasks, truncation, as_json=as_json)
        return
    elif path is None:
        raise click.UsageError("say which data sets: rolevec evaluate MODEL PATH")
    else:
        names = [name for name in (other, model) if name is not None]
        result = _evaluated(names, path, metrics, dimensions, truncation, progress=not as_json)
    for target in targets:
        result.save(target)
    if as_json:
        print_json(result.to_dict())
    else:
        _print(result)
        for target in targets:
            click.echo(f"Written to {target}.")


def _evaluated(
    names: Sequence[str],
    path: Path,
    metrics: Sequence[str],
    dimensions: Sequence[int],
    truncation: str,
    *,
    progress: bool,
) -> Report | Comparison:
    """The report of one model, or the comparison of two."""
    datasets = find_datasets(path)
    # All before the first is measured: a spelling mistake should not cost an hour.
    encoders = [load_encoder(name, truncation=truncation) for name in names]  # type: ignore[arg-type]
    for encoder in encoders:
        for cut in dimensions:
            check_dimensions(cut, encoder.dim)
    reports = [
        evaluate(encoder, datasets, metrics=metrics, dimensions=dimensions, progress=progress)
        for encoder in encoders
    ]
    return compare(*reports) if len(reports) > 1 else reports[0]


def _storage(name: str, model: str, store: str, path: Path | None) -> StorageReport:
    """PATH has one query a line."""
    queries = None if path is None else path.read_text(encoding="utf-8").splitlines()
    with open_for_reading(name, model, store, None) as collection:
        return evaluate_storage(storage_choices(collection, queries))


def _mteb(model: str, tasks: Sequence[str], truncation: str, *, as_json: bool) -> None:
    """Scores as MTEB gives them, by task."""
    encoder = load_encoder(model, truncation=truncation)  # type: ignore[arg-type]
    try:
        results = run_mteb(encoder, tasks, progress=not as_json).task_results
    except KeyError as error:
        raise click.ClickException(str(error)) from error
    scores = {result.task_name: float(result.get_score()) for result in results}
    if as_json:
        print_json({"model": encoder.fingerprint.describe(), "scores": scores})
        return
    rows = [[name, f"{100 * score:.1f}"] for name, score in scores.items()]
    print_table(["task", ">main score"], rows, title=encoder.fingerprint.describe())


def _print(result: Result) -> None:
    if isinstance(result, StorageReport):
        print_table(*result.table())
        click.echo(result.recommendation)
        return
    for report in (result,) if isinstance(result, Report) else (result.a, result.b):
        print_table(*report.overall_table(), title=report.model)
    if isinstance(result, Comparison):
        print_table(*result.table(), title=f"a: {result.a.model}, b: {result.b.model}")
