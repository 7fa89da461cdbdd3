"""`rolevec index`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from rolevec.cli.distributed import distributed_options, taken_ray, taken_server
from rolevec.cli.options import (
    chosen,
    collection_options,
    same_place,
    truncation_option,
)
from rolevec.cli.output import print_json
from rolevec.config.building import Config
from rolevec.indexing.bulk import index_corpus
from rolevec.indexing.report import IndexReport
from rolevec.indexing.sources import FileCorpus

_INTERRUPTED = 130


def _read_fields(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Split at the last "="; which types there are is said by `Collection.open`."""
    fields = {}
    for value in values:
        name, equals, kind = value.rpartition("=")
        if not equals:
            raise click.BadParameter(f"{value!r} is not NAME=TYPE, such as year=integer")
        fields[name] = kind
    return fields


@click.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@collection_options
@click.option("--text-field", default="text", show_default=True, help="Field that holds the text.")
@click.option("--id-field", default="id", show_default=True, help="Field that holds the id.")
@click.option(
    "--batch-tokens",
    type=click.IntRange(min=1),
    default=1 << 15,
    show_default=True,
    help="Tokens encoded at a time.",
)
@click.option(
    "--quantization",
    type=click.Choice(["int8", "turbo4", "binary"]),
    help="Let the engine scan compressed vectors (new collections only).",
)
@click.option(
    "--hybrid", is_flag=True, help="Keep keywords besides the vectors (new collections only)."
)
@click.option(
    "--language",
    help='With --hybrid: of all texts, such as "german", to search by stems of words.',
)
@click.option(
    "--index-field",
    "fields",
    multiple=True,
    metavar="NAME=TYPE",
    callback=_read_fields,
    help="Make filters on a metadata field fast; once for each, before documents come.",
)
@truncation_option
@click.option(
    "--split",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="Cut longer documents into parts of at most this many tokens.",
)
@click.option(
    "--overlap",
    type=click.IntRange(min=0),
    default=0,
    metavar="TOKENS",
    help="Tokens that a part repeats of the one before.",
)
@click.option("--sync", is_flag=True, help="Delete what PATH gave earlier and no longer has.")
@click.option("--again", is_flag=True, help="Encode everything, what is unchanged included.")
@click.option("--optimize", is_flag=True, help="Build the search index, a large one in pieces.")
@click.option(
    "--rejects",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for records that are no documents; by default beside the ledger.",
)
@click.option(
    "--ledger",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the ledger; by default beside the collection, or in the user's cache.",
)
@click.option("--strict", is_flag=True, help="Stop at the first record that is no document.")
@distributed_options
def command(
    path: Path,
    model: str,
    store: str,
    collection: str,
    as_json: bool,
    text_field: str,
    id_field: str,
    quantization: str | None,
    dimensions: int | None,
    fields: dict[str, str],
    hybrid: bool,
    language: str | None,
    truncation: str,
    again: bool,
    **options: Any,
) -> None:
    """Put the documents in PATH into a collection, which is made if it is not there.

    PATH is a .txt, .md, .jsonl, .csv, .tsv or .parquet file, or a folder of them. A text file is
    one document, a line of JSON or a row of a table is one each. Running it again encodes only what
    is missing or has changed: a document is known again by its id, by the path of a text file, or
    by its content. So a run that was stopped, by Ctrl-C or a power cut, is finished by the next.
    A folder of vectors that a run with --keep-shards left is loaded without encoding.
    """
    config = chosen(
        model=model, truncation=truncation, store=store, collection=collection,
        quantization=quantization, dimensions=dimensions, fields=fields,
        hybrid=hybrid, language=language,
    )  # fmt: skip
    config = _counting(config)
    corpus = FileCorpus(path, text_field, id_field)
    options["ray"] = taken_ray(options, config.encoder)
    with config.collection(server=taken_server(options)) as opened:
        try:
            report = index_corpus(corpus, opened, resume=not again, progress=not as_json, **options)
        except KeyboardInterrupt:
            click.echo("Stopped. What was written stays; run it again to go on.", err=True)
            raise click.exceptions.Exit(_INTERRUPTED) from None
        count = opened.count()
    if as_json:
        print_json({**_plain(report), "count": count})
        return
    _print_report(report)
    place = config.collection_settings
    click.echo(f"The collection {place.name!r} in {place.store} holds {count} documents.")
    click.echo(
        f'Try: rolevec search "your question"{same_place(store=store, collection=collection)}'
    )


def _counting(config: Config) -> Config:
    # Cut texts are counted in the report; a warning for each batch would say it all over again.
    encoder = config.encoder_settings
    quiet = "end" if encoder.truncation == "warn" else encoder.truncation
    return replace(config, encoder_settings=replace(encoder, truncation=quiet))


def _plain(report: IndexReport) -> dict[str, Any]:
    plain = asdict(report)
    plain["rejects"] = [{"where": r.where, "reason": r.reason} for r in report.rejects]
    plain["reject_file"] = None if report.reject_file is None else str(report.reject_file)
    return plain


def _print_report(report: IndexReport) -> None:
    words = [f"{report.added} documents written"]
    words += [f"{report.unchanged} unchanged"] if report.unchanged else []
    words += [f"{report.deleted} deleted"] if report.deleted else []
    click.echo(", ".join(words) + f"; about {report.tokens:,} tokens in {report.seconds:.1f} s.")
    if report.truncated:
        click.echo(
            f"Warning: {report.truncated} of them are longer than the model takes:"
            f" {report.dropped_tokens} tokens were left out of their vectors"
            " (--truncation split averages over the whole text, --split makes parts).",
            err=True,
        )
    if report.rejected:
        click.echo(f"Warning: {report.rejected} records were left out:", err=True)
        for record in report.rejects:
            click.echo(f"  {record.where}: {record.reason}", err=True)
        if report.reject_file is not None:
            click.echo(f"  All of them are in {report.reject_file}", err=True)
    if report.sync_withheld:
        click.echo(
            "Warning: --sync deleted nothing, because some of those records could not be read at"
            " all: what left the source cannot be told. Mend them and run it again.",
            err=True,
        )
