"""`rolevec index`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from rolevec.cli.options import (
    collection_options,
    truncation_option,
)
from rolevec.cli.output import print_json
from rolevec.encoders.loading import load_encoder
from rolevec.indexing.sources import FileCorpus, Rejected
from rolevec.qdrant.adding import AddReport
from rolevec.qdrant.collection import Collection

_SHOWN = 5


@click.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@collection_options
@click.option("--text-field", default="text", show_default=True, help="Field that holds the text.")
@click.option("--id-field", default="id", show_default=True, help="Field that holds the id.")
@click.option("--batch-size", type=click.IntRange(min=1), default=256, show_default=True)
@click.option(
    "--quantization",
    type=click.Choice(["int8", "turbo4", "binary"]),
    help="Let the engine scan compressed vectors (new collections only).",
)
@truncation_option
@click.option("--strict", is_flag=True, help="Stop at the first record that is no document.")
def command(
    path: Path,
    model: str,
    store: str,
    collection: str,
    as_json: bool,
    text_field: str,
    id_field: str,
    batch_size: int,
    quantization: str | None,
    dimensions: int | None,
    truncation: str,
    strict: bool,
) -> None:
    """Put the documents in PATH into a collection, which is made if it is not there.

    PATH is a .txt, .md, .jsonl, .csv or .tsv file, or a folder of them. A text file is one
    document, a line of JSON or a row of a table is one each. Running it again changes nothing but
    what has changed in the files: a document is known again by its id, by the path of a text file,
    or by its content.
    """
    rejected: list[Rejected] = []
    # Cut texts are counted in the report; a warning for each batch would say it all over again.
    quiet = "end" if truncation == "warn" else truncation
    corpus = FileCorpus(path, text_field, id_field, None if strict else rejected.append)
    encoder = load_encoder(model, truncation=quiet)  # type: ignore[arg-type]
    with Collection.open(
        collection,
        encoder,
        store=store,
        quantization=quantization,  # type: ignore[arg-type]
        dimensions=dimensions,
    ) as opened:
        report = opened.add(corpus, batch_size=batch_size, progress=not as_json)
        count = opened.count()
    if as_json:
        print_json({**asdict(report), "rejected": [asdict(r) for r in rejected], "count": count})
        return
    _print_report(report, rejected)
    click.echo(f"The collection {collection!r} in {store} holds {count} documents.")
    click.echo(f'Try: rolevec search "your question"{_same_place(store, collection)}')


def _print_report(report: AddReport, rejected: list[Rejected]) -> None:
    click.echo(f"{report.added} documents written.")
    if report.truncated:
        click.echo(
            f"Warning: {report.truncated} of them are longer than the model takes:"
            f" {report.dropped_tokens} tokens were left out of their vectors"
            " (--truncation split averages over the whole text).",
            err=True,
        )
    if rejected:
        click.echo(f"Warning: {len(rejected)} records were left out:", err=True)
        for record in rejected[:_SHOWN]:
            click.echo(f"  {record.where}: {record.reason}", err=True)
        if rejected[_SHOWN:]:
            click.echo(f"  … and {len(rejected) - _SHOWN} more (--json lists them all)", err=True)


def _same_place(store: str, collection: str) -> str:
    context = click.get_current_context()
    named = {"--store": ("store", store), "--collection": ("collection", collection)}
    return "".join(
        f" {option} {value}"
        for option, (name, value) in named.items()
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    )
