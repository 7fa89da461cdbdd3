"""What is liked and disliked, as vectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from rolevec.documents import Document
from rolevec.encoders.protocol import Encoder
from rolevec.errors import CollectionNotFound, InvalidVector, shown
from rolevec.qdrant.ids import PointId, point_id
from rolevec.roles import Role
from rolevec.vectors import Matrix, cut_dimensions, unit_rows

Example: TypeAlias = "str | int | Document | npt.ArrayLike"
"""A document's id, a text, a document, or a vector (dim,)."""


def named_ids(items: Iterable[Example]) -> list[PointId]:
    """The ids that the examples may stand for."""
    names = [i.id if isinstance(i, Document) else i for i in items]
    return [point_id(name) for name in names if isinstance(name, (str, int)) and name != ""]


@dataclass(frozen=True, slots=True)
class Examples:
    """Turns examples into unit vectors.

    Attributes:
        collection: name, for messages.
        encoder: for texts.
        dim: dimension of the collection.
        known: vectors of those ids that are in the collection.
    """

    collection: str
    encoder: Encoder
    dim: int
    known: Mapping[PointId, npt.NDArray[np.float32]]

    def rows(self, items: Sequence[Example]) -> Matrix:
        """One unit row for each example, shape (n, dim).

        Raises:
            CollectionNotFound: an id that can be nothing else (digits, a UUID) is not there.
            InvalidVector: wrong dimension, NaN, infinity or zero length.
        """
        return np.vstack([self._row(item) for item in items])

    def _row(self, item: Example) -> npt.NDArray[np.float32]:
        if isinstance(item, Document):
            stored = None if item.id is None else self.known.get(point_id(item.id))
            return self._encode(item.text, Role.DOCUMENT) if stored is None else stored
        if not isinstance(item, (str, int)):
            rows = unit_rows(item, self.dim)
            if len(rows) != 1:
                raise InvalidVector(f"an example is one vector, this one has {len(rows)} rows")
            return rows
        if item == "":
            return self._encode("", Role.QUERY)
        identifier = point_id(item)
        if identifier in self.known:
            return self.known[identifier]
        if isinstance(identifier, int) or identifier == item:
            raise CollectionNotFound(
                f"{self.collection!r} holds no document with the id {shown(item)}"
            )
        return self._encode(str(item), Role.QUERY)

    def _encode(self, text: str, role: Role) -> Matrix:
        return cut_dimensions(self.encoder.encode([text], role), self.dim)
