"""Making a collection, or making sure that an existing one is what is wanted."""

from __future__ import annotations

from dataclasses import replace

from rolevec.errors import CollectionMismatch, RolevecError, UnsupportedByBackend, shown
from rolevec.fingerprint import Fingerprint
from rolevec.qdrant.backends.protocol import Backend, Spec
from rolevec.qdrant.identity import About, check_encoder
from rolevec.qdrant.indexes import index_paths
from rolevec.qdrant.placement import ServerOptions


def create_or_accept(
    backend: Backend, name: str, wanted: About, *, adopt: bool, server: ServerOptions | None = None
) -> None:
    """Make the collection; if it is there, or somebody else makes it first, check it.

    Raises:
        CollectionMismatch: it was written by another encoder, or with other settings.
        UnsupportedByBackend: the engine lacks what is wanted of a new one.
    """
    server = server or ServerOptions()
    if server.given() and "placement" not in backend.capabilities:
        raise UnsupportedByBackend(
            f"server={', '.join(server.given())}: {backend.name} keeps a collection in one process;"
            " pass the URL of a Qdrant server as store="
        )
    if not backend.exists():
        wanted = replace(wanted, shard_key=server.shard_key)
        paths = index_paths(wanted.indexed_fields)
        spec = Spec(wanted.fingerprint.dim, wanted, paths, server)
        try:
            backend.create(spec)
        except RolevecError:
            if not backend.exists():
                raise
        else:
            return
    accept(backend, name, wanted, adopt=adopt)
    if server.given():
        _check_placement(name, backend.placement(), server)


def accept(backend: Backend, name: str, wanted: About, *, adopt: bool) -> None:
    """Check an existing collection, and add the payload indexes it lacks.

    Args:
        backend: holds the collection.
        name: for messages.
        wanted: what the caller has in hand.
        adopt: write the encoder's fingerprint into a collection that has none.

    Raises:
        CollectionMismatch: see `create_or_accept`.
    """
    stored = backend.about()
    if stored is None or not stored.fingerprint.model:
        shape = backend.shape()
        if shape.distance != "Cosine":
            raise CollectionMismatch(f"{name!r} measures {shape.distance}, not cosine")
        stored = stored or About(Fingerprint("", "", shape.dim))
        if adopt and shape.dim == wanted.fingerprint.dim:
            stored = replace(stored, fingerprint=wanted.fingerprint)
            backend.write_about(stored)
    check_encoder(name, stored.fingerprint, wanted.fingerprint)
    if wanted.quantization not in {None, stored.quantization}:
        raise CollectionMismatch(
            f"{name!r} was made with quantization={stored.quantization!r}, not"
            f" {wanted.quantization!r}; leave the argument out, or index into a new collection"
        )
    if wanted.bm25 not in {None, stored.bm25}:
        kept = "dense vectors only" if stored.bm25 is None else f"hybrid={stored.bm25}"
        raise CollectionMismatch(
            f"{name!r} was made with {kept}, not with hybrid={wanted.bm25}; leave the argument out,"
            " or index into a new collection"
        )
    missing = {k: v for k, v in wanted.indexed_fields.items() if k not in stored.indexed_fields}
    if missing:
        for path, kind in index_paths(missing).items():
            backend.create_index(path, kind)
        fields = {**stored.indexed_fields, **missing}
        backend.write_about(replace(stored, indexed_fields=fields))


def _check_placement(name: str, stored: ServerOptions, wanted: ServerOptions) -> None:
    there = stored.given()
    for option, value in wanted.given().items():
        if there.get(option) != value:
            raise CollectionMismatch(
                f"{name!r} was made with {option}={shown(there.get(option))}, not {shown(value)};"
                " leave the option out, or index into a new collection"
            )
