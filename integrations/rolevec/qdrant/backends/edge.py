"""Qdrant Edge: the engine in this process, with a write-ahead log."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import qdrant_edge as edge

from rolevec.errors import UnsupportedByBackend
from rolevec.qdrant.backends.edge_booleans import with_booleans
from rolevec.qdrant.backends.edge_successor import discard_next, drop_old, next_shard, promote
from rolevec.qdrant.backends.gate import Gate, Moved, matching
from rolevec.qdrant.backends.protocol import (
    SPARSE,
    Capability,
    IndexType,
    Point,
    Rescoring,
    Shape,
    Spec,
)
from rolevec.qdrant.backends.shards import SIDECAR, Shard, acquire, release
from rolevec.qdrant.identity import About
from rolevec.qdrant.ids import PointId
from rolevec.qdrant.payloads import sparse_of
from rolevec.qdrant.placement import ServerOptions
from rolevec.ranking.lexical import Bm25, Sparse

if TYPE_CHECKING:
    from qdrant_client import models

# Recall@10 of 50,000 short texts in hundreds of languages, the bundled model, 512 dimensions, this
# many candidates: 0.993 with the graph of `Spec`, 0.972 with the engine's default (16 links, 100
# candidates), for 2.8 times the work to build it and 2.4 times that of a search (measured).
_EF = 256
# In a larger graph as many find less: in one of a million texts 0.967, in five of 200,000 each
# 0.984, and there 0.990 with 384 (measured).
_LARGER_EF = ((1 << 17, 384), (1 << 19, 640))
# Kilobytes of vectors above which segments are not merged: building the index of a segment takes
# memory in proportion, and is work done again.
_SEGMENT = 320_000
# Kilobytes of vectors below which all are looked at: the engine's default.
_FULL_SCAN = 10_000
# The engine builds an index of vectors above this size only.
_INDEXED_BYTES, _FLOAT_BYTES = 10_000_000, 4


class EdgeBackend:
    """One shard in a folder; see `Shard` for who may open it."""

    name = "edge"
    capabilities: frozenset[Capability] = frozenset(
        {"quantization", "optimize", "persistence", "hybrid"}
    )

    def __init__(self, folder: Path, *, create: bool) -> None:
        self._hold(acquire(folder, create=create))

    def _hold(self, shard: Shard) -> None:
        self.folder, self._held = shard.folder, shard
        self._outlives = False
        # Also runs at interpreter exit, and when a notebook drops its last reference.
        self._release = weakref.finalize(self, release, shard)

    @property
    def _shard(self) -> Shard:
        if self._held.superseded and not self._outlives:
            raise Moved(self.folder.name)
        return self._held

    @property
    def gate(self) -> Gate:
        return self._held.gate

    def exists(self) -> bool:
        return self._shard.exists

    def create(self, spec: Spec) -> None:
        config = edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(spec.dim, edge.Distance.Cosine),
            sparse_vectors=_sparse_config(spec.about.bm25),
            quantization_config=edge_quantization(spec.about.quantization),
            hnsw_config=edge.HnswIndexConfig(spec.links, spec.candidates, _FULL_SCAN),
            optimizers=edge.EdgeOptimizersConfig(max_segment_size=_SEGMENT),
            wal_enabled=True,
        )
        record = {**spec.about.to_dict(), "dim": spec.dim, "distance": "Cosine"}
        self._shard.create(config, record)
        for path, kind in spec.indexes.items():
            self.create_index(path, kind)

    def shape(self) -> Shape:
        record = self._shard.record or {}
        return Shape(int(record.get("dim", 0)), str(record.get("distance", "")))

    def placement(self) -> ServerOptions:
        return ServerOptions()

    def about(self) -> About | None:
        return About.from_dict(self._shard.record) if self._shard.record else None

    def write_about(self, about: About) -> None:
        shape = self.shape()
        dim = shape.dim or about.fingerprint.dim
        self._shard.write_record({**about.to_dict(), "dim": dim, "distance": "Cosine"})

    def create_index(self, path: str, kind: IndexType) -> None:
        operation = edge.UpdateOperation.create_field_index(path, _INDEX[kind])
        self._shard.call(lambda shard: shard.update(operation))

    def upsert(self, points: Sequence[Point]) -> None:
        about = self.about()
        bm25 = about.bm25 if about else None
        rows = [edge.Point(p.id, _vectors(p, bm25), with_booleans(p.payload)) for p in points]
        operation = edge.UpdateOperation.upsert_points(rows)
        with self.gate.writing(self.folder.name) as changed:
            changed.update(p.id for p in points)
            self._held.call(lambda shard: shard.update(operation))

    def query(
        self,
        vectors: npt.NDArray[np.float32],
        limit: int,
        where: models.Filter | None,
        *,
        with_vectors: bool = False,
        with_payloads: bool = True,
        rescoring: Rescoring | None = None,
    ) -> list[list[Point]]:
        info = self._shard.call(lambda shard: shard.info())
        params = edge.SearchParams(
            hnsw_ef=candidates(info.points_count, info.segments_count, limit),
            quantization=edge.QuantizationSearchParams(
                rescore=rescoring.rescore, oversampling=rescoring.oversampling
            )
            if rescoring
            else None,
        )
        return self._query(
            map(edge.Query.Nearest, vectors), where, limit, with_payload=with_payloads,
            with_vector=with_vectors, params=params,
        )  # fmt: skip

    def query_sparse(
        self,
        vectors: Sequence[Sparse],
        limit: int,
        where: models.Filter | None,
        *,
        with_payloads: bool = True,
    ) -> list[list[Point]]:
        queries = (edge.Query.Nearest(_sparse(vector), using=SPARSE) for vector in vectors)
        return self._query(queries, where, limit, with_payload=with_payloads)

    def _query(
        self, queries: Iterable[Any], where: models.Filter | None, limit: int, **settings: Any
    ) -> list[list[Point]]:
        """Points for each query, all with the same settings."""
        chosen = _filter(where)
        requests = [
            edge.QueryRequest(limit, query=query, filter=chosen, **settings) for query in queries
        ]
        if len(requests) == 1:
            return [[_point(p) for p in self._shard.call(lambda s: s.query(requests[0]))]]
        batch = edge.QueryBatchRequest(requests)
        return [[_point(p) for p in r] for r in self._shard.call(lambda s: s.query_batch(batch))]

    def retrieve(self, ids: Sequence[PointId], *, with_vectors: bool = False) -> list[Point]:
        found = self._shard.call(lambda shard: shard.retrieve(list(ids), True, with_vectors))
        return [_point(record) for record in found]

    def scroll(
        self,
        where: models.Filter | None,
        limit: int,
        offset: PointId | None,
        *,
        with_vectors: bool = False,
    ) -> tuple[list[Point], PointId | None]:
        request = edge.ScrollRequest(
            offset=offset,
            limit=limit,
            filter=_filter(where),
            with_payload=True,
            with_vector=with_vectors,
        )
        records, following = self._shard.call(lambda shard: shard.scroll(request))
        return [_point(r) for r in records], None if following is None else _id(following)

    def count(self, where: models.Filter | None) -> int:
        request = edge.CountRequest(exact=True, filter=_filter(where))
        return self._shard.call(lambda shard: shard.count(request))

    def delete(self, selection: Sequence[PointId] | models.Filter) -> None:
        with self.gate.writing(self.folder.name) as changed:
            if self.gate.tracking and not isinstance(selection, Sequence):
                selection = matching(self, selection)
            if isinstance(selection, Sequence):
                changed.update(selection)
                operation = edge.UpdateOperation.delete_points(list(selection))
            else:
                chosen = cast("edge.Filter", _filter(selection))
                operation = edge.UpdateOperation.delete_points_by_filter(chosen)
            self._held.call(lambda shard: shard.update(operation))

    def optimize(self) -> bool:
        return self._shard.call(lambda shard: shard.optimize())

    def flush(self) -> None:
        self._shard.call(lambda shard: shard.flush())

    def close(self) -> None:
        self._release()

    def successor(self) -> EdgeBackend | None:
        found = next_shard(self._shard)
        return None if found is None else EdgeBackend._over(found)

    def begin(self, spec: Spec) -> EdgeBackend:
        made = next_shard(self._shard, begin=True)
        assert made is not None
        successor = EdgeBackend._over(made)
        successor.create(spec)
        return successor

    @classmethod
    def _over(cls, shard: Shard) -> EdgeBackend:
        made = cls.__new__(cls)
        made._hold(shard)
        return made

    def discard(self) -> None:
        discard_next(self._shard)

    def prepare(self) -> None:
        """Build the index, if there is so much that there will be one, in another process."""
        if self.count(None) * self.shape().dim * _FLOAT_BYTES >= _INDEXED_BYTES:
            self._shard.optimize_apart()

    def promote(self, successor: EdgeBackend) -> None:
        self._outlives = True
        promote(self._held, successor._held)

    def drop_old(self) -> int:
        return drop_old(self._shard)


def edge_collections(folder: Path) -> list[str]:
    """Names of the collections in a store folder, sorted."""
    return sorted(path.parent.name for path in folder.glob(f"*/{SIDECAR}"))


def candidates(points: int, segments: int, limit: int) -> int:
    """How many candidates a search through a graph keeps: more in a large one, never too few.

    Args:
        points: of the collection.
        segments: of the collection, each with a graph but for the one that is written to.
        limit: hits asked for.
    """
    largest = points // max(1, segments - 1)
    return max(limit, _EF, *(ef for least, ef in _LARGER_EF if largest >= least))


def _filter(where: models.Filter | None) -> edge.Filter | None:
    if where is None:
        return None
    # The filter models take a second to import; a plain search does without them.
    from rolevec.qdrant.backends.edge_filters import edge_filter

    return edge_filter(where)


def _sparse(vector: Sparse) -> edge.SparseVector:
    return edge.SparseVector(vector.indices, vector.values)


def _vectors(point: Point, bm25: Bm25 | None) -> Any:
    # A list is converted twice as fast as a row of a matrix (measured on Edge 0.9).
    dense = None if point.vector is None else point.vector.tolist()
    sparse = sparse_of(point.payload, bm25) if bm25 else None
    if sparse is None or not sparse.indices:
        return dense
    return {"": dense, SPARSE: _sparse(sparse)}


def _sparse_config(bm25: Bm25 | None) -> dict[str, edge.EdgeSparseVectorParams] | None:
    if bm25 is None:
        return None
    return {SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)}


def _id(identifier: Any) -> PointId:
    return identifier if isinstance(identifier, int) else str(identifier)


def _point(found: Any) -> Point:
    payload: Mapping[str, Any] = found.payload or {}
    vector = found.vector.get("") if isinstance(found.vector, dict) else found.vector
    row = None if vector is None else np.asarray(vector, dtype=np.float32)
    return Point(_id(found.id), row, payload, getattr(found, "score", 0.0))


def edge_quantization(kind: str | None) -> Any:
    """The engine's settings of a quantisation; None for full vectors."""
    if kind is None:
        return None
    made: dict[str, Callable[[], Any]] = {
        "int8": lambda: edge.ScalarQuantizationConfig(
            edge.ScalarType.Int8, memory=edge.Memory.Cached
        ),
        "turbo4": lambda: edge.TurboQuantQuantizationConfig(
            bits=edge.TurboQuantBitSize.Bits4, memory=edge.Memory.Cached
        ),
        "binary": lambda: edge.BinaryQuantizationConfig(memory=edge.Memory.Cached),
    }
    if kind not in made:
        raise UnsupportedByBackend(f"quantization={kind!r} is not one of {', '.join(made)}")
    return made[kind]()


_INDEX: dict[IndexType, edge.PayloadSchemaType] = {
    "keyword": edge.PayloadSchemaType.Keyword,
    "integer": edge.PayloadSchemaType.Integer,
    "float": edge.PayloadSchemaType.Float,
    "bool": edge.PayloadSchemaType.Bool,
    "datetime": edge.PayloadSchemaType.Datetime,
    "text": edge.PayloadSchemaType.Text,
    "geo": edge.PayloadSchemaType.Geo,
    "uuid": edge.PayloadSchemaType.Uuid,
}
