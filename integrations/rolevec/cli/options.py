"""Options that several commands share, and what they open."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar, get_args

import click

from rolevec.encoders.loading import load_encoder
from rolevec.qdrant.collection import Collection
from rolevec.qdrant.stores import DEFAULT_STORE
from rolevec.truncation import TruncationPolicy

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_COLLECTION = "documents"

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
model_option = click.option(
    "--model",
    "-m",
    default="light",
    envvar="ROLEVEC_MODEL",
    show_default=True,
    help='A known name (see `rolevec models`), "org/name", a folder, or "scheme:…".',
)
truncation_option = click.option(
    "--truncation",
    type=click.Choice(get_args(TruncationPolicy)),
    default="warn",
    show_default=True,
    help="What happens to texts longer than the model takes.",
)
dimensions_option = click.option(
    "--dimensions",
    type=click.IntRange(min=1),
    help="Keep this many leading coordinates; fixed when a collection is made.",
)
k_option = click.option(
    "-k", type=click.IntRange(min=1), default=5, show_default=True, help="Most hits to show."
)


def collection_options(function: F) -> F:
    """Add --model, --store, --collection, --dimensions and --json."""
    for option in (
        as_json,
        dimensions_option,
        click.option(
            "--collection",
            "-c",
            default=DEFAULT_COLLECTION,
            envvar="ROLEVEC_COLLECTION",
            show_default=True,
            help="Name of the collection.",
        ),
        click.option(
            "--store",
            "-s",
            default=DEFAULT_STORE,
            envvar="ROLEVEC_STORE",
            show_default=True,
            help="A folder, or the URL of a Qdrant server.",
        ),
        model_option,
    ):
        function = option(function)
    return function


def _read_where(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> dict[str, Any] | None:
    """Read the JSON; what it may say is checked by `to_filter`."""
    if value is None:
        return None
    try:
        where = json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not JSON: {error}") from error
    if not isinstance(where, dict):
        raise click.BadParameter(f'{value!r} is no JSON object such as {{"year": {{"gte": 2020}}}}')
    return where


where_option = click.option(
    "--where",
    metavar="JSON",
    callback=_read_where,
    help="""Filter over metadata: '{"year": {"gte": 2020}, "lang": ["de", "fr"]}'.""",
)


def open_for_reading(name: str, model: str, store: str, dimensions: int | None) -> Collection:
    """A collection that is there already, with the encoder that wrote it."""
    encoder = load_encoder(model)
    return Collection.open(name, encoder, store=store, dimensions=dimensions, create=False)
