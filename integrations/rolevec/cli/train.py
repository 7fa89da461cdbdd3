"""`rolevec train`."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from rolevec.cli.options import as_json as json_option
from rolevec.cli.output import print_json, print_table
from rolevec.encoders.loading import load_encoder
from rolevec.evaluation.datasets import Dataset, find_datasets
from rolevec.evaluation.metrics import check_installed
from rolevec.evaluation.report import Report
from rolevec.evaluation.runner import evaluate
from rolevec.training import load_recipe, train
from rolevec.training.plot import plot_losses
from rolevec.training.result import TrainResult

_folder = click.Path(file_okay=False, path_type=Path)
_path = click.Path(path_type=Path)


def _settings(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, Any]:
    """``name=value`` as in a recipe; a value that is no TOML is a string."""
    settings: dict[str, Any] = {}
    for value in values:
        name, equals, given = value.partition("=")
        if not equals:
            raise click.BadParameter(f"{value!r} is not of the form NAME=VALUE")
        try:
            settings[name] = tomllib.loads(f"value = {given}")["value"]
        except tomllib.TOMLDecodeError:
            settings[name] = given
    return settings


@click.command()
@click.argument("recipe")
@click.option("--data", type=_path, help="Folder of training tables, or a file of pairs.")
@click.option("--output", "-o", type=_folder, help="Folder for the model.")
@click.option(
    "--cache",
    type=_folder,
    help="Folder for what is done so far; a run that was killed goes on from there.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_settings,
    help="Change a setting of the recipe; may be repeated.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the loss curve into this .png or .svg file.",
)
@click.option(
    "--evaluate",
    "data_sets",
    type=click.Path(exists=True, path_type=Path),
    help="Measure the model on the data sets there, as `rolevec evaluate` does, and put its scores"
    " beside it as scores.md and scores.json.",
)
@json_option
def command(
    recipe: str,
    data: Path | None,
    output: Path | None,
    cache: Path | None,
    changes: dict[str, Any],
    plot: Path | None,
    data_sets: Path | None,
    as_json: bool,
) -> None:
    """Train an encoder by RECIPE: a .toml file, "tune", "light" or "contextual".

    "tune" takes the bundled model further on your own pairs: --data is a .jsonl, .tsv or .parquet
    file whose rows have "query", "positive" and maybe "negatives", as `rolevec mine` writes them.
    "light" is the recipe of the bundled model itself.

    Other data folders hold tables of pairs: parallel, pivot, lexicon, retrieval and paraphrase, as
    .tsv or .jsonl, plain or as .gz or .xz, or as .parquet; for transformers also hard.jsonl, mined
    negatives.
    A recipe says kind = "static" or "tune", which load as "static:FOLDER", or kind = "transformer".
    """
    given = {"data": data, "output": output, "cache": cache}
    config = load_recipe(
        _find(recipe), **{name: path for name, path in given.items() if path}, **changes
    )
    # Before the steps: what cannot be measured should not be found out after hours.
    found = [] if data_sets is None else find_datasets(data_sets)
    check_installed({dataset.kind.task for dataset in found})
    start = time.monotonic()
    result = train(config, progress=not as_json)
    seconds = time.monotonic() - start
    if plot is not None:
        plot_losses(result.losses, plot, title=config.output.name)
    report = _measured(result, found, progress=not as_json) if found else None
    if as_json:
        print_json(
            {
                "folder": str(result.folder),
                "seconds": round(seconds, 1),
                "losses": result.losses,
                "metric": result.metric,
                "before": result.before,
                "development": result.development,
                "scores": None if report is None else report.to_dict(),
            }
        )
        return
    if report is not None:
        print_table(*report.overall_table(), title=report.model)
    click.echo(f"The model is in {result.folder}; it took {seconds / 60:.1f} minutes.")
    if result.development is not None:
        before = "" if result.before is None else f", {result.before:.1%} before"
        click.echo(f"Held-out pairs, {result.metric}: {result.development:.1%}{before}")
    click.echo(f"Try: rolevec doctor {result.model}")


def _measured(result: TrainResult, datasets: Sequence[Dataset[Any]], *, progress: bool) -> Report:
    """Scores of a model at the dimensions it was trained for; they are also written beside it."""
    with load_encoder(result.model, truncation="warn") as encoder:
        cuts = sorted({encoder.dim, *encoder.card.matryoshka_dims}, reverse=True)
        report = evaluate(encoder, datasets, dimensions=cuts, progress=progress)
    for name in ("scores.md", "scores.json"):
        report.save(result.folder / name)
    return report


def _find(recipe: str) -> Path:
    packaged = Path(str(files("rolevec.training") / "recipes" / f"{recipe}.toml"))
    if Path(recipe).is_file():
        return Path(recipe)
    if packaged.is_file():
        return packaged
    raise click.BadParameter(
        f"there is no recipe {recipe!r}; give a .toml file, 'tune', 'light' or 'contextual'",
        param_hint="RECIPE",
    )
