"""Our settings of a collection in the words of the Qdrant client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from qdrant_client import QdrantClient, models

from rolevec.errors import UnsupportedByBackend
from rolevec.qdrant.backends.protocol import SPARSE, Point, Rescoring
from rolevec.qdrant.ids import PointId
from rolevec.qdrant.payloads import sparse_of
from rolevec.qdrant.placement import ServerOptions
from rolevec.ranking.lexical import Bm25, Sparse


def is_local(client: QdrantClient) -> bool:
    """True for local mode (in memory or in a folder of its own)."""
    options = client.init_options
    return options.get("location") == ":memory:" or options.get("path") is not None


def search_params(rescoring: Rescoring | None) -> models.SearchParams | None:
    """How a quantised search is made exact again, as the client has it."""
    if rescoring is None:
        return None
    return models.SearchParams(
        quantization=models.QuantizationSearchParams(
            rescore=rescoring.rescore, oversampling=rescoring.oversampling
        )
    )


def sparse_config(bm25: Bm25 | None) -> dict[str, models.SparseVectorParams] | None:
    """The sparse vector of a hybrid collection."""
    if bm25 is None:
        return None
    return {SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)}


def placed(server: ServerOptions) -> dict[str, Any]:
    """How a collection is spread, as arguments of ``create_collection``."""
    graph = server.on_disk_graph
    custom = None if server.shard_key is None else models.ShardingMethod.CUSTOM
    return {
        "shard_number": server.shard_number,
        "replication_factor": server.replication_factor,
        "write_consistency_factor": server.write_consistency_factor,
        "sharding_method": custom,
        "hnsw_config": None if graph is None else models.HnswConfigDiff(on_disk=graph),
    }


def placement_of(info: models.CollectionInfo, shard_key: str | None) -> ServerOptions:
    """How a collection is spread.

    Args:
        info: as the server tells it.
        shard_key: metadata field that names the shard of a document.
    """
    params, vectors = info.config.params, info.config.params.vectors
    return ServerOptions(
        params.shard_number,
        params.replication_factor,
        params.write_consistency_factor,
        shard_key,
        bool(vectors.on_disk) if isinstance(vectors, models.VectorParams) else None,
        bool(info.config.hnsw_config.on_disk),
    )


def compression(kind: str | None) -> Any:
    """How the engine compresses the vectors it scans.

    Raises:
        UnsupportedByBackend: a kind that is not known.
    """
    if kind is None:
        return None
    made: dict[str, Callable[[], Any]] = {
        "int8": lambda: models.ScalarQuantization(
            scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        ),
        "turbo4": lambda: models.TurboQuantization(
            turbo=models.TurboQuantQuantizationConfig(bits=models.TurboQuantBitSize.BITS4)
        ),
        "binary": lambda: models.BinaryQuantization(
            binary=models.BinaryQuantizationConfig(always_ram=True)
        ),
    }
    if kind not in made:
        raise UnsupportedByBackend(f"quantization={kind!r} is not one of {', '.join(made)}")
    return made[kind]()


def plain_vector(vector: npt.NDArray[np.float32] | None) -> list[float]:
    """A dense vector for the client."""
    return [] if vector is None else vector.tolist()


def sparse_vector(vector: Sparse) -> models.SparseVector:
    """A sparse vector for the client."""
    return models.SparseVector(indices=vector.indices, values=vector.values)


def vectors_of(point: Point, bm25: Bm25 | None) -> Any:
    """The vectors of a point: one without a name, and in a hybrid collection one for keywords."""
    sparse = sparse_of(point.payload, bm25) if bm25 else None
    # An empty one would count as a document in local mode's IDF, and in no other engine's.
    if sparse is None or not sparse.indices:
        return plain_vector(point.vector)
    return {"": plain_vector(point.vector), SPARSE: sparse_vector(sparse)}


def id_of(identifier: Any) -> PointId:
    """An id from the client as we have it."""
    return identifier if isinstance(identifier, int) else str(identifier)


def point_of(found: models.ScoredPoint | models.Record) -> Point:
    """A point from the client as we have it."""
    vector: Any = found.vector
    if isinstance(vector, dict):
        vector = vector.get("")
    row = None if vector is None else np.asarray(vector, dtype=np.float32)
    score = found.score if isinstance(found, models.ScoredPoint) else 0.0
    return Point(id_of(found.id), row, found.payload or {}, score)
