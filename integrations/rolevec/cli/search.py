"""`rolevec search`."""

from __future__ import annotations

from typing import Any

import click

from rolevec.cli.options import (
    collection_options,
    k_option,
    open_for_reading,
    where_option,
)
from rolevec.cli.output import print_hits


@click.command()
@click.argument("query")
@collection_options
@k_option
@where_option
@click.option("--min-score", type=float, help="Leave out hits with a lower cosine.")
@click.option("--hybrid", is_flag=True, help="Search by vectors and by keywords, and fuse the two.")
def command(
    query: str,
    model: str,
    store: str,
    collection: str,
    dimensions: int | None,
    as_json: bool,
    k: int,
    where: dict[str, Any] | None,
    min_score: float | None,
    hybrid: bool,
) -> None:
    """Find the documents nearest to QUERY, in whatever language they are."""
    with open_for_reading(collection, model, store, dimensions) as opened:
        hits = opened.search(query, k=k, where=where, min_score=min_score, hybrid=hybrid)
        print_hits(hits, as_json=as_json)
