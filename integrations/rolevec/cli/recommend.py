"""`rolevec recommend`."""

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
@click.argument("liked", nargs=-1, required=True)
@click.option(
    "--unlike", "-u", multiple=True, help="What the hits should not be like; may be repeated."
)
@collection_options
@k_option
@where_option
def command(
    liked: tuple[str, ...],
    unlike: tuple[str, ...],
    model: str,
    store: str,
    collection: str,
    dimensions: int | None,
    as_json: bool,
    k: int,
    where: dict[str, Any] | None,
) -> None:
    """Find documents like LIKED: ids of documents, which are left out, or texts."""
    with open_for_reading(collection, model, store, dimensions) as opened:
        print_hits(opened.recommend(liked, unlike, k=k, where=where), as_json=as_json)
