"""A shard for trying settings out: vectors only, gone when it is closed."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Self, cast

import qdrant_edge as edge

from rolevec.qdrant.backends.edge import edge_quantization
from rolevec.qdrant.backends.protocol import Rescoring
from rolevec.vectors import Matrix

_BATCH = 1024
# KiB from which segments get a graph; the engine's own 10,000 would leave a sample without one.
_INDEX_FROM = 100


class Graph(NamedTuple):
    """Settings of an HNSW graph: edges per node, and candidates while it is built."""

    m: int
    ef_construct: int


class TrialShard:
    """A shard of Qdrant Edge in a folder of its own.

    Args:
        vectors: unit rows, shape (n, dim); row i becomes point i.
        quantization: as for a collection.
        graph: build this one; None scans.
    """

    def __init__(
        self, vectors: Matrix, *, quantization: str | None = None, graph: Graph | None = None
    ) -> None:
        self._folder = TemporaryDirectory(prefix="rolevec-trial-")
        self._graph = graph
        limit = _INDEX_FROM if graph else 1 << 40
        hnsw = edge.HnswIndexConfig(*(graph or Graph(16, 100)), full_scan_threshold=10)
        config = edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(vectors.shape[1], edge.Distance.Cosine),
            quantization_config=edge_quantization(quantization),
            hnsw_config=hnsw,
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=limit),
            wal_enabled=False,
        )
        self._shard: Any = edge.EdgeShard.create(str(Path(self._folder.name) / "shard"), config)
        for start in range(0, len(vectors), _BATCH):
            rows = vectors[start : start + _BATCH]
            points = [edge.Point(start + i, row, {}) for i, row in enumerate(rows)]
            self._shard.update(edge.UpdateOperation.upsert_points(points))
        while self._shard.optimize():
            pass

    def search(
        self, queries: Matrix, k: int, *, ef: int | None = None, rescoring: Rescoring | None = None
    ) -> list[list[int]]:
        """Points nearest to each query, best first.

        Args:
            ef: candidates of a graph search; without a graph every vector is scanned.
        """
        params = edge.SearchParams(
            hnsw_ef=ef,
            quantization=edge.QuantizationSearchParams(
                rescore=rescoring.rescore, oversampling=rescoring.oversampling
            )
            if rescoring
            else None,
        )
        requests = [
            edge.QueryRequest(k, query=edge.Query.Nearest(cast("Any", query)), params=params)
            for query in queries
        ]
        found = self._shard.query_batch(edge.QueryBatchRequest(requests))
        return [[int(point.id) for point in points] for points in found]

    def close(self) -> None:
        """Delete it."""
        self._shard.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
