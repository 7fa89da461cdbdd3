"""Our settings of a collection in the words of the Qdrant client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from qdrant_client import models

from rolevec.errors import UnsupportedByBackend
from rolevec.qdrant.backends.protocol import SPARSE, Point, Rescoring
from rolevec.qdrant.payloads import sparse_of
from rolevec.qdrant.placement import ServerOptions
from rolevec.ranking.lexical import Bm25, Sparse


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
