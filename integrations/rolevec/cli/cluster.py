"""`rolevec cluster`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from rolevec.cli.options import collection_options, open_for_reading, where_option
from rolevec.cli.output import one_line, print_json, print_table
from rolevec.documents import Document
from rolevec.encoders.loading import load_encoder
from rolevec.indexing.sources import FileCorpus
from rolevec.qdrant.adding import identify_all
from rolevec.qdrant.clustering import DocumentClusters, cluster_rows
from rolevec.ranking.clustering.cluster import Method
from rolevec.ranking.clustering.map import save_map
from rolevec.ranking.clustering.projection import Projection
from rolevec.roles import Role


@click.command()
@click.argument("source", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--clusters", "-n", type=click.IntRange(min=1), help="How many; found if not given.")
@click.option(
    "--method",
    type=click.Choice(get_args(Method)),
    default="silhouette",
    show_default=True,
    help="How the number is found.",
)
@click.option("--keep-noise", is_flag=True, help="With density: leave outliers without a cluster.")
@click.option(
    "--group", metavar="FIELD", help="Metadata field that clusters should cut across, as lang."
)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many documents.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--map",
    "maps",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw a map into this .png or .html file; may be repeated.",
)
@click.option(
    "--projection",
    type=click.Choice(get_args(Projection)),
    default="pca",
    show_default=True,
    help="How the map is laid out; umap needs umap-learn.",
)
@click.option("--title", default="", help="Above the map.")
@where_option
@collection_options
def command(
    source: Path | None,
    clusters: int | None,
    method: Method,
    keep_noise: bool,
    group: str | None,
    limit: int | None,
    seed: int,
    maps: tuple[Path, ...],
    projection: Projection,
    title: str,
    where: dict[str, Any] | None,
    model: str,
    store: str,
    collection: str,
    dimensions: int | None,
    as_json: bool,
) -> None:
    """Group the documents of a collection, or the texts in SOURCE, by what they are about.

    SOURCE is a file or a folder as `rolevec index` reads it, but each line of a single .txt file is
    a text. Without it, the collection is read.
    """
    for path in maps:
        if path.suffix not in (".png", ".html"):
            raise click.BadParameter(f"{path} is neither .png nor .html", param_hint="--map")
    how: dict[str, Any] = {"seed": seed, "method": method, "keep_noise": keep_noise}
    if source is None:
        with open_for_reading(collection, model, store, dimensions) as opened:
            found = opened.cluster(clusters, where=where, limit=limit, group_field=group, **how)
    else:
        if where is not None:
            raise click.BadParameter("it filters a collection, not a SOURCE", param_hint="--where")
        documents = _documents(source)[:limit]
        with load_encoder(model, dimensions=dimensions) as encoder:
            texts = [document.text for document in documents]
            vectors = encoder.encode(texts, Role.CLUSTERING, progress=True)
        found = cluster_rows(documents, vectors, clusters, group_field=group, **how)
    texts = [document.text for document in found.documents]
    for path in maps:
        save_map(path, found.vectors, found, texts, title=title, projection=projection, seed=seed)
    _print(found, maps, as_json=as_json)


def _documents(source: Path) -> list[Document]:
    if source.is_file() and source.suffix.lower() == ".txt":
        lines = source.read_text("utf-8-sig").splitlines()
        return identify_all([Document(line.strip()) for line in lines if line.strip()])
    return list(FileCorpus(source))


def _print(found: DocumentClusters, maps: tuple[Path, ...], *, as_json: bool) -> None:
    exemplars = [found.documents[row] for row in found.exemplars.tolist()]
    if as_json:
        groups = [
            {
                "label": label,
                "size": int(found.sizes[label]),
                "keywords": list(found.keywords[label]),
                "exemplar": {"id": document.id, "text": document.text},
            }
            for label, document in enumerate(exemplars)
        ]
        labels = [
            {"id": document.id, "label": label}
            for document, label in zip(found.documents, found.labels.tolist(), strict=True)
        ]
        print_json({"clusters": groups, "labels": labels, "maps": [str(path) for path in maps]})
        return
    if not len(found):
        click.echo("There is nothing to group.", err=True)
        return
    rows = [
        (label, found.sizes[label], ", ".join(found.keywords[label]), one_line(document.text, 120))
        for label, document in enumerate(exemplars)
    ]
    print_table([">label", ">size", "keywords", "nearest to the centre"], rows, wide="keywords")
    for path in maps:
        click.echo(f"Map: {path}")
