"""Ways to store a collection's vectors, for `rolevec.evaluation.evaluate_storage`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import cast

import numpy as np
import numpy.typing as npt

from rolevec.errors import RolevecError
from rolevec.qdrant.arguments import positive
from rolevec.qdrant.backends.protocol import Rescoring
from rolevec.qdrant.backends.trial import Graph, TrialShard
from rolevec.qdrant.collection import Collection
from rolevec.qdrant.opened import OVERSAMPLING
from rolevec.qdrant.payloads import document_of
from rolevec.ranking.storage import StorageChoice, StorageTrial
from rolevec.roles import Role
from rolevec.vectors import Matrix, cut_dimensions

# Bytes of a coordinate in what is scanned.
_BYTES: dict[str | None, float] = {None: 4, "int8": 1, "turbo4": 0.5, "binary": 0.125}
_GRAPHS = (Graph(8, 64), Graph(16, 100), Graph(32, 200))
_EFS = (64, 256)
_SENTENCE = 200  # characters of a document that stand in for a query


def storage_choices(
    collection: Collection,
    queries: Sequence[str] | None = None,
    *,
    sample: int = 20_000,
    query_count: int = 200,
    seed: int = 0,
) -> StorageTrial:
    """Ways to store a collection's vectors, each opened in Qdrant Edge when it is its turn.

    Dimension cuts, int8, turbo4 and binary with and without rescoring, and HNSW graphs, over copies
    in a temporary folder; the collection itself is only read.

    Args:
        collection: any; its vectors are read.
        queries: texts to search with. None takes the first 200 characters of some documents, which
            are easier to find than real questions.
        sample: the most vectors to copy; recall falls a little as collections grow.
        query_count: the most queries to use.
        seed: of the choice of queries.

    Raises:
        RolevecError: the collection is empty.
    """
    rows, texts = [], []
    for point in islice(collection.scroll_points(with_vectors=True), positive(sample, "sample")):
        rows.append(cast("npt.NDArray[np.float32]", point.vector))
        if queries is None:
            texts.append(document_of(point.id, point.payload).text)
    if not rows:
        raise RolevecError(f"{collection.name!r} is empty; there is nothing to measure")
    asked = list(texts if queries is None else queries)
    order = np.random.default_rng(seed).permutation(len(asked))
    chosen = [asked[i] for i in order if asked[i].strip()][: positive(query_count, "query_count")]
    if queries is None:
        chosen = [text[:_SENTENCE] for text in chosen]
    found = collection.encoder.encode(chosen, Role.QUERY)
    vectors = np.vstack(rows)
    return StorageTrial(vectors, cut_dimensions(found, collection.dim), _choices(vectors))


def _choices(vectors: Matrix) -> Iterator[StorageChoice]:
    dim = vectors.shape[1]
    for cut in (dim, dim // 2, dim // 4):
        for quantization in _BYTES:
            if cut == dim or quantization in (None, "int8"):
                yield from _scanned(vectors, cut, quantization)
    for graph in _GRAPHS:
        with TrialShard(vectors, graph=graph) as shard:
            for ef in _EFS:
                yield StorageChoice(
                    f"{dim}, float32, HNSW m={graph.m} ef={ef}",
                    4 * dim + 8 * graph.m,
                    partial(shard.search, ef=ef),
                    f"HNSW m={graph.m}, ef_construct={graph.ef_construct}, ef={ef}",
                )


def _scanned(vectors: Matrix, cut: int, quantization: str | None) -> Iterator[StorageChoice]:
    with TrialShard(cut_dimensions(vectors, cut), quantization=quantization) as shard:
        size = int(cut * _BYTES[quantization])
        settings = [f"quantization={quantization!r}"] if quantization else []
        settings += [f"dimensions={cut}"] if cut < vectors.shape[1] else []
        for rescore in (True, False) if quantization else (None,):
            rescoring = None
            name = f"{cut}, {quantization or 'float32'}"
            if rescore is not None and quantization:
                rescoring = Rescoring(rescore, OVERSAMPLING[quantization] if rescore else 1.0)
                name += ", rescored" if rescore else ", not rescored"

            def search(
                queries: Matrix,
                k: int,
                shard: TrialShard = shard,
                rescoring: Rescoring | None = rescoring,
            ) -> list[list[int]]:
                return shard.search(cut_dimensions(queries, cut), k, rescoring=rescoring)

            here = [*settings, "rescore=False"] if rescore is False else settings
            yield StorageChoice(name, size, search, ", ".join(here) or "as it is by default")
