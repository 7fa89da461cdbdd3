"""Options that several commands share, and what they open."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from rolevec.config.building import Config
from rolevec.config.files import load_config
from rolevec.config.settings import CollectionSettings, EncoderSettings
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
collection_option = click.option(
    "--collection",
    "-c",
    default=DEFAULT_COLLECTION,
    envvar="ROLEVEC_COLLECTION",
    show_default=True,
    help="Name of the collection.",
)
store_option = click.option(
    "--store",
    "-s",
    default=DEFAULT_STORE,
    envvar="ROLEVEC_STORE",
    show_default=True,
    help="A folder, or the URL of a Qdrant server.",
)
dimensions_option = click.option(
    "--dimensions",
    type=click.IntRange(min=1),
    help="Keep this many leading coordinates; fixed when a collection is made.",
)
k_option = click.option(
    "-k", type=click.IntRange(min=1), default=5, show_default=True, help="Most hits to show."
)


_CONFIG = "rolevec.config"
_CONFIG_FILE = "rolevec.config.file"
# Option -> the setting of a collection's file that it changes.
_SETTINGS = {
    "store": "store",
    "collection": "name",
    "dimensions": "dimensions",
    "quantization": "quantization",
    "fields": "indexed_fields",
    "hybrid": "hybrid",
    "language": "language",
}


def _read_config(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
    if path is not None:
        ctx.meta[_CONFIG] = load_config(path)
        ctx.meta[_CONFIG_FILE] = path


def collection_options(function: F) -> F:
    """Add --config, --model, --store, --collection, --dimensions and --json."""
    for option in (
        as_json,
        click.option(
            "--config",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            expose_value=False,
            callback=_read_config,
            help="File of `rolevec.load_config`; options given on the command line win over it.",
        ),
        dimensions_option,
        collection_option,
        store_option,
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


def chosen(**options: Any) -> Config:
    """The file of --config, with what stands on the command line in its place; or the options.

    A model on the command line takes nothing from the file's encoder: its prompts are another's.

    Args:
        **options: ``model``, ``truncation``, and what `_SETTINGS` names, as click gave them.
    """
    context = click.get_current_context()
    config = context.meta.get(_CONFIG)
    if config is None:
        config = Config()
    else:
        written = click.core.ParameterSource.COMMANDLINE
        options = {k: v for k, v in options.items() if context.get_parameter_source(k) is written}
    encoder: EncoderSettings = config.encoder_settings
    if "model" in options:
        encoder = EncoderSettings(options["model"])
    if "truncation" in options:
        encoder = replace(encoder, truncation=options["truncation"])
    given = {_SETTINGS[name]: value for name, value in options.items() if name in _SETTINGS}
    collection: CollectionSettings = replace(config.collection_settings, **given)
    return replace(config, encoder_settings=encoder, collection_settings=collection)


def same_place(**options: str) -> str:
    """What to write on the command line to reach the same collection, with a space before it.

    Args:
        **options: ``store`` and ``collection``, as click gave them.
    """
    context = click.get_current_context()
    file = context.meta.get(_CONFIG_FILE)
    default = click.core.ParameterSource.DEFAULT
    return "".join(
        [f" --config {file}" if file is not None else ""]
        + [
            f" --{name} {value}"
            for name, value in options.items()
            if context.get_parameter_source(name) is not default
        ]
    )


def open_for_reading(name: str, model: str, store: str, dimensions: int | None) -> Collection:
    """A collection that is there already, with the encoder that wrote it."""
    config = chosen(collection=name, model=model, store=store, dimensions=dimensions)
    return config.collection(create=False)
