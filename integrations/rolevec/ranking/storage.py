"""Ways to store the same vectors, as whoever compares them sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from rolevec.vectors import Matrix

Search: TypeAlias = Callable[[Matrix, int], list[list[int]]]
"""Row numbers of the k nearest vectors of each query (n, dim), best first."""


@dataclass(frozen=True, slots=True)
class StorageChoice:
    """One way to store vectors.

    Attributes:
        name: in a table.
        bytes_per_vector: what the scan reads: the compressed vector, and the edges of a graph.
        search: by what is stored so; queries come in their full dimension.
        settings: what to pass to `Collection.open` to have it.
    """

    name: str
    bytes_per_vector: int
    search: Search = field(repr=False)
    settings: str = ""


@dataclass(frozen=True, slots=True)
class StorageTrial:
    """Vectors, queries, and ways to store the vectors.

    Attributes:
        vectors: unit rows, shape (n, dim).
        queries: unit rows, shape (m, dim).
        choices: opened one after the other; each is gone when the next one is asked for.
    """

    vectors: npt.NDArray[np.float32]
    queries: npt.NDArray[np.float32]
    choices: Iterable[StorageChoice]
