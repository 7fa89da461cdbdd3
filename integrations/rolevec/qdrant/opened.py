"""An open collection at one moment: its backend, and the encoder whose vectors are in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy.typing as npt

from rolevec.documents import Hit
from rolevec.encoders.protocol import Encoder
from rolevec.errors import InvalidVector, RolevecError, UnsupportedByBackend, shown
from rolevec.qdrant.adding import checked_rows
from rolevec.qdrant.arguments import chosen_filter, is_number, positive
from rolevec.qdrant.backends.protocol import Backend, Point, Rescoring
from rolevec.qdrant.hybrid import chosen_fusion, fused, query_vectors
from rolevec.qdrant.identity import About, check_encoder
from rolevec.qdrant.nearest import hit_of, nearest
from rolevec.ranking.fusion import Fusion
from rolevec.roles import Role
from rolevec.vectors import Matrix, unit_rows

if TYPE_CHECKING:
    from rolevec.qdrant.filters import Where

# Candidates per result that a quantised scan hands over to be scored with the full vectors.
OVERSAMPLING: dict[str, float] = {"int8": 2.0, "turbo4": 4.0, "binary": 8.0}


@dataclass(frozen=True, slots=True)
class Opened:
    """What belongs together and is only replaced together.

    A method takes it once and uses it to its end, so that it never holds the vectors of one
    encoder against those of another.

    Attributes:
        name: of the collection, for messages.
        encoder: makes the vectors.
        backend: holds them.
        dim: their dimension.
    """

    name: str
    encoder: Encoder
    backend: Backend
    dim: int

    def about(self) -> About:
        """The record kept with the collection.

        Raises:
            RolevecError: somebody deleted the collection.
        """
        about = self.backend.about()
        if about is None:
            raise RolevecError(f"the collection {self.name!r} was deleted while it was open")
        return about

    def check(self) -> About:
        """The record, or CollectionMismatch if it is not this encoder's."""
        about = self.about()
        check_encoder(self.name, about.fingerprint, self.encoder.fingerprint.with_dim(self.dim))
        return about

    def queries(self, texts: Sequence[str]) -> Matrix:
        """Queries as unit rows (n, dim)."""
        self.check()
        return self.cut(self.encoder.encode(texts, Role.QUERY), len(texts))

    def cut(self, vectors: npt.ArrayLike, count: int) -> Matrix:
        """An encoder's vectors in the collection's dimension, see `checked_rows`."""
        return checked_rows(self.encoder, vectors, count, self.dim)

    def one_row(self, vector: npt.ArrayLike) -> Matrix:
        """A vector (dim,) of any length as a unit row (1, dim)."""
        rows = unit_rows(vector, self.dim)
        if len(rows) != 1:
            raise InvalidVector(f"expected one vector, got {len(rows)}")
        return rows

    def rescoring(self, rescore: bool | None = None) -> Rescoring | None:
        """How a search of this collection is made exact again; None where it is exact anyway."""
        quantization = self.about().quantization
        if quantization is None:
            if rescore:
                raise UnsupportedByBackend(
                    f"rescore=True, but {self.name!r} is not quantised: its scores are exact"
                )
            return None
        wanted = rescore is not False
        return Rescoring(wanted, OVERSAMPLING[quantization] if wanted else 1.0)

    def search(
        self,
        vectors: Matrix,
        k: int,
        where: Where | None,
        *,
        min_score: float | None = None,
        rescore: bool | None = None,
        hybrid: bool | Fusion = False,
        texts: Sequence[str | None] = (),
    ) -> list[list[Hit]]:
        """The k hits nearest to each row of ``vectors`` (n, dim); a hybrid search needs texts."""
        if min_score is not None and not is_number(min_score):
            raise ValueError(f"min_score={shown(min_score)}; it must be a number")
        fusion = chosen_fusion(hybrid, min_score)
        found = self.points(vectors, k, where, rescore=rescore, fusion=fusion, texts=texts)
        # Rounding puts the score of a vector with itself a little below or above 1.
        least = -2.0 if min_score is None else min_score - 1e-6
        return [[hit_of(p) for p in points if p.score >= least] for points in found]

    def points(
        self,
        vectors: Matrix,
        k: int,
        where: Where | None,
        *,
        rescore: bool | None = None,
        fusion: Fusion | None = None,
        texts: Sequence[str | None] = (),
    ) -> list[list[Point]]:
        """`search`, with payloads as they are stored; None fuses nothing."""
        k, chosen, rescoring = positive(k), chosen_filter(where), self.rescoring(rescore)
        if fusion is None:
            return nearest(self.backend, vectors, k, chosen, rescoring)
        sparse = query_vectors(self.name, self.about(), texts)
        return fused(self.backend, vectors, sparse, k, chosen, rescoring, fusion)
