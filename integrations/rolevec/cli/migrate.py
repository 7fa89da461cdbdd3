"""`rolevec migrate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from rolevec.cli.options import as_json, collection_option, store_option, truncation_option
from rolevec.cli.output import print_json
from rolevec.encoders.foreign import VectorsOnly
from rolevec.encoders.loading import load_encoder
from rolevec.encoders.protocol import Encoder
from rolevec.errors import CollectionNotFound, RolevecError
from rolevec.qdrant.collection import Collection
from rolevec.qdrant.identity import About
from rolevec.qdrant.migration import MigrationReport
from rolevec.qdrant.stores import open_backend

_INTERRUPTED = 130


@click.command()
@click.argument("to", required=False, metavar="MODEL")
@store_option
@collection_option
@click.option(
    "--from",
    "old",
    metavar="MODEL",
    help="The encoder that wrote the collection, if its own name does not load it.",
)
@click.option(
    "--dimensions",
    type=click.IntRange(min=1),
    help="Keep this many leading coordinates of the new vectors.",
)
@truncation_option
@click.option(
    "--queries",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of queries, one a line, to compare the two on; by default, beginnings of documents.",
)
@click.option(
    "-k", type=click.IntRange(min=1), default=10, show_default=True, help="Hits compared."
)
@click.option(
    "--least-overlap",
    type=click.FloatRange(0, 1),
    help="Do not switch if fewer of the hits are the same.",
)
@click.option("--no-switch", is_flag=True, help="Only prepare it and compare.")
@click.option("--leave-out", is_flag=True, help="Lose documents that have no text to encode.")
@click.option("--again", is_flag=True, help="Discard what an earlier, unfinished run has done.")
@click.option("--drop-old", is_flag=True, help="Delete the vectors that were replaced.")
@click.option("--abandon", is_flag=True, help="Delete what a run without its switch has left.")
@as_json
def command(
    to: str | None,
    old: str | None,
    store: str,
    collection: str,
    dimensions: int | None,
    truncation: str,
    drop_old: bool,
    abandon: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Give a collection the vectors of another MODEL, while it is in use.

    The new vectors are made beside the old ones and take their place in one step, when all are
    there. A run that was stopped, by Ctrl-C, a power cut or --no-switch, goes on when it is called
    again. The old vectors stay until --drop-old, given with MODEL or alone.
    """
    if to is None and not (drop_old or abandon):
        raise click.UsageError("name the new MODEL, or give --drop-old or --abandon")
    about = _about(collection, store)
    report, dropped = None, 0
    if abandon:
        with Collection.open(collection, VectorsOnly(about.fingerprint.dim), store=store) as opened:
            opened._backend.discard()
    if to is not None:
        quiet = "end" if truncation == "warn" else truncation
        encoder = load_encoder(to, truncation=quiet)  # type: ignore[arg-type]
        try:
            report = _migrate(collection, store, about, encoder, old, dimensions, as_json, options)
        except KeyboardInterrupt:
            click.echo("Stopped. What was done stays; run it again to go on.", err=True)
            raise click.exceptions.Exit(_INTERRUPTED) from None
    if drop_old and (report is None or report.switched or _same(report)):
        dim = _about(collection, store).fingerprint.dim
        with Collection.open(collection, VectorsOnly(dim), store=store) as opened:
            dropped = opened.drop_old()
    if as_json:
        print_json({**(report.to_dict() if report else {}), "dropped": dropped})
    else:
        _print(report, collection, dropped, asked=drop_old)
    if report is not None and not report.switched and not options["no_switch"]:
        raise click.exceptions.Exit(0 if _same(report) else 1)


def _same(report: MigrationReport) -> bool:
    return report.old == report.new and not report.switched


def _about(collection: str, store: str) -> About:
    backend = open_backend(collection, store, create=False, api_key=None)
    try:
        about = backend.about() if backend.exists() else None
        if about is None:
            raise CollectionNotFound(f"there is no collection {collection!r} in {store}")
        return about
    finally:
        backend.close()


def _migrate(
    collection: str,
    store: str,
    about: About,
    encoder: Encoder,
    old: str | None,
    dimensions: int | None,
    as_json: bool,
    options: dict[str, Any],
) -> MigrationReport:
    dim = about.fingerprint.dim
    # After a kill right behind the switch, the new encoder is the collection's already.
    done = not about.fingerprint.differences(
        encoder.fingerprint.with_dim(dimensions or encoder.dim)
    )
    before = encoder if done else _old_encoder(old, about)
    queries = options["queries"]
    lines = None if queries is None else queries.read_text("utf-8").split("\n")
    with Collection.open(
        collection, before, store=store, create=False, dimensions=min(dim, before.dim)
    ) as opened:
        return opened.migrate(
            encoder,
            progress=not as_json,
            resume=not options["again"],
            dimensions=dimensions,
            switch=not options["no_switch"],
            queries=None if lines is None else [line for line in lines if line.strip()],
            k=options["k"],
            least_overlap=options["least_overlap"],
            textless="leave_out" if options["leave_out"] else "withhold",
        )


def _old_encoder(name: str | None, about: About) -> Encoder:
    """The encoder that wrote the collection; without it, only the comparison is missing."""
    if name is not None:
        return load_encoder(name, truncation="end")
    for candidate in filter(None, (about.fingerprint.model, os.environ.get("ROLEVEC_MODEL"))):
        try:
            found = load_encoder(candidate, truncation="end")
        except (RolevecError, OSError):
            continue
        if not about.fingerprint.differences(found.fingerprint.with_dim(about.fingerprint.dim)):
            return found
    click.echo(
        f"Warning: {about.fingerprint.describe()} cannot be loaded by its name, so the two are not"
        " compared; --from names it.",
        err=True,
    )
    return VectorsOnly(about.fingerprint.dim)


def _print(report: MigrationReport | None, name: str, dropped: int, *, asked: bool) -> None:
    if report is not None:
        done = "now has" if report.switched else "still has" if not _same(report) else "has"
        click.echo(
            f"The collection {name!r} {done} the vectors of"
            f" {report.new if report.switched else report.old}: {report.points} documents ready,"
            f" {report.encoded} encoded in {report.seconds:.1f} s."
        )
        if report.overlap is not None:
            click.echo(
                f"Of the {report.k} nearest to {report.queries} queries,"
                f" {report.overlap:.0%} are the same before and after."
            )
        if report.truncated:
            click.echo(
                f"Warning: {report.truncated} documents are longer than the new model takes:"
                f" {report.dropped_tokens} tokens were left out of their vectors.",
                err=True,
            )
        if report.textless:
            click.echo(
                f"Warning: {report.textless} documents have no text to encode, such as"
                f" {', '.join(report.textless_ids)}; --leave-out migrates without them.",
                err=True,
            )
        if report.withheld:
            click.echo(f"Not switched: {report.withheld}.", err=True)
    if asked:
        click.echo(f"Deleted: {dropped} collections of old vectors.")
