"""What a collection asks of a storage engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

from rolevec.qdrant.backends.gate import Gate
from rolevec.qdrant.identity import About
from rolevec.qdrant.ids import PointId
from rolevec.qdrant.placement import ServerOptions
from rolevec.ranking.lexical import Sparse

if TYPE_CHECKING:
    from qdrant_client import models

Capability = Literal["quantization", "optimize", "persistence", "shared", "hybrid", "placement"]
IndexType = Literal["keyword", "integer", "float", "bool", "datetime", "text", "geo", "uuid"]

SPARSE = "bm25"
"""Name of the sparse vector of a hybrid collection; the dense one has none."""

Vector = npt.NDArray[np.float32]


@dataclass(slots=True)
class Point:
    """A stored vector with its payload; ``score`` is set by a search, ``vector`` on request."""

    id: PointId
    vector: Vector | None
    payload: Mapping[str, Any]
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Rescoring:
    """How a quantised search is made exact again.

    Attributes:
        rescore: score the candidates with the full vectors.
        oversampling: how many times ``k`` candidates the quantised scan gives.
    """

    rescore: bool
    oversampling: float


@dataclass(frozen=True, slots=True)
class Shape:
    """Size and distance of the default vector, as the engine reports them."""

    dim: int
    distance: str


@dataclass(frozen=True, slots=True)
class Spec:
    """A collection to be made.

    Attributes:
        dim: dimension of its one unnamed vector; the distance is always cosine.
        about: the record to keep with it; where it has a ``bm25``, each point gets a sparse vector
            besides, under the name `SPARSE`.
        indexes: payload path -> type of its index.
        server: how a server spreads it; only with the capability "placement".
        links: of a point in an embedded engine's search graph, HNSW's M.
        candidates: looked at for each while the graph is built, HNSW's efConstruction.
    """

    dim: int
    about: About
    indexes: Mapping[str, IndexType] = field(default_factory=dict)
    server: ServerOptions = field(default_factory=ServerOptions)
    links: int = 32
    candidates: int = 200


class Backend(Protocol):
    """One collection in one storage engine; every method is safe to call from many threads."""

    name: str
    capabilities: frozenset[Capability]

    def exists(self) -> bool:
        """True if the collection is there."""

    def create(self, spec: Spec) -> None:
        """Make the collection; it must not be there."""

    def shape(self) -> Shape:
        """Size and distance of the collection's vectors."""

    def placement(self) -> ServerOptions:
        """How it is spread; nothing is set where the engine cannot say."""

    def about(self) -> About | None:
        """The record kept with the collection; None if another program made it."""

    def write_about(self, about: About) -> None:
        """Replace the record."""

    def create_index(self, path: str, kind: IndexType) -> None:
        """Index a payload path; once more changes nothing."""

    def upsert(self, points: Sequence[Point]) -> None:
        """Write points whole; once it returns, they survive the death of the process.

        Those of a hybrid collection get their sparse vectors here, from the text in the payload,
        so that nobody who writes can forget them.
        """

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
        """The nearest points of each row of ``vectors`` (n, dim), best first, ties in any order."""

    def query_sparse(
        self,
        vectors: Sequence[Sparse],
        limit: int,
        where: models.Filter | None,
        *,
        with_payloads: bool = True,
    ) -> list[list[Point]]:
        """The points of a hybrid collection with the highest BM25, as `query` otherwise."""

    def retrieve(self, ids: Sequence[PointId], *, with_vectors: bool = False) -> list[Point]:
        """Points by id, in any order; missing ones are left out."""

    def scroll(
        self,
        where: models.Filter | None,
        limit: int,
        offset: PointId | None,
        *,
        with_vectors: bool = False,
    ) -> tuple[list[Point], PointId | None]:
        """One page of points and where the next one starts (None: this was the last)."""

    def count(self, where: models.Filter | None) -> int:
        """The exact number of points."""

    def delete(self, selection: Sequence[PointId] | models.Filter) -> None:
        """Delete by id or by filter; ids that are not there are no error."""

    def optimize(self) -> bool:
        """Build indexes now; True if there was anything to do."""

    def flush(self) -> None:
        """Bring everything written to the disk, so that it survives a power cut."""

    def close(self) -> None:
        """Let go of the collection; twice is no error."""

    # A second collection of the same name, filled by a migration until it takes over

    @property
    def gate(self) -> Gate:
        """Where writes go through; shared by all of this process who have the collection open."""

    def successor(self) -> Self | None:
        """The second one that an earlier migration left, whole or not; the caller closes it."""

    def begin(self, spec: Spec) -> Self:
        """Make the second one; there must be none."""

    def discard(self) -> None:
        """Remove the second one, if there is one; nobody may have it open."""

    def prepare(self) -> None:
        """Called on the second one, when it is filled: make its searches fast."""

    def promote(self, successor: Self) -> None:
        """Put the second one in this one's place, in one step that survives a power cut.

        The caller has closed the `gate`. Of all who have the collection open, this object alone may
        go on reading the old one, for searches that are under way; the others get `Moved`.
        """

    def drop_old(self) -> int:
        """Remove the collections that were replaced; returns how many there were."""
