"""`rolevec mine`."""

from __future__ import annotations

from pathlib import Path

import click

from rolevec.cli.options import collection_options, open_for_reading
from rolevec.cli.output import print_json
from rolevec.training import mine_hard_negatives, read_hard_negatives, write_hard_negatives

_share = click.FloatRange(0, 1, min_open=True)


@click.command()
@click.argument("pairs", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the pairs with their negatives (.jsonl).",
)
@collection_options
@click.option("-n", type=click.IntRange(min=1), default=5, show_default=True, help="Most a pair.")
@click.option(
    "--depth", type=click.IntRange(min=1), default=100, show_default=True, help="Hits looked at."
)
@click.option(
    "--skip", type=click.IntRange(min=0), default=0, show_default=True, help="First hits to pass."
)
@click.option(
    "--margin",
    type=_share,
    default=0.95,
    show_default=True,
    help="Highest score of a negative as a share of the answer's.",
)
@click.option(
    "--gap",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Least distance in cosine to the answer's score.",
)
@click.option("--random", "at_random", is_flag=True, help="Pick at random, not from the top.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random choice.")
def command(
    pairs: Path,
    output: Path,
    model: str,
    store: str,
    collection: str,
    dimensions: int | None,
    as_json: bool,
    n: int,
    depth: int,
    skip: int,
    margin: float,
    gap: float,
    at_random: bool,
    seed: int,
) -> None:
    """Find hard negatives for PAIRS in a collection: what it ranks high and is no answer.

    PAIRS is a .jsonl, .tsv or .parquet file whose rows have "query" and "positive". The output
    feeds `rolevec train tune --data`.
    """
    read = [(row.query, row.positive) for row in read_hard_negatives(pairs)]
    with open_for_reading(collection, model, store, dimensions) as opened:
        mined = mine_hard_negatives(
            opened,
            read,
            n=n,
            depth=depth,
            skip=skip,
            margin=margin,
            gap=gap,
            pick="random" if at_random else "top",
            seed=seed,
            progress=not as_json,
        )
        write_hard_negatives(output, mined)
    if as_json:
        print_json({"file": str(output), **mined.report.to_dict()})
        return
    click.echo(f"{mined.report}.")
    click.echo(f"Try: rolevec train tune --data {output} --output my-model")
