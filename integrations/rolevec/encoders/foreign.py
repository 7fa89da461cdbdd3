"""Encoders made of somebody else's functions, and the encoder of a collection that has none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

from rolevec.encoders.base import BaseEncoder, check_texts
from rolevec.encoders.progress import Advance
from rolevec.encoders.protocol import Encoded
from rolevec.errors import InvalidVector, RolevecError, UnsupportedByBackend
from rolevec.models.card import ModelCard
from rolevec.prompts import Prompts
from rolevec.roles import Role
from rolevec.vectors import Matrix, as_matrix, check_dimensions, cut_dimensions

Embed: TypeAlias = Callable[[list[str]], npt.ArrayLike]
AsyncEmbed: TypeAlias = Callable[[list[str]], Awaitable[npt.ArrayLike]]


class ForeignEncoder(BaseEncoder):
    """An embedding class of another library, seen through the functions it offers.

    Prompts, truncation and batches are the other library's business and stay invisible here; what
    is added are the border checks, one call per distinct text, and rows of length 1. Every role
    but `Role.QUERY` goes to ``embed_documents``.

    Args:
        name: class and model name, for the fingerprint.
        revision: what else identifies the model, or "".
        dim: dimension of its vectors.
        embed_queries: texts to rows (n, dim), as queries.
        embed_documents: texts to rows (n, dim), as documents.
        aembed_queries: the same without blocking the event loop; None runs the first in a thread.
        aembed_documents: likewise.
    """

    backend = "foreign"

    def __init__(
        self,
        name: str,
        *,
        revision: str = "",
        dim: int,
        embed_queries: Embed,
        embed_documents: Embed,
        aembed_queries: AsyncEmbed | None = None,
        aembed_documents: AsyncEmbed | None = None,
    ) -> None:
        super().__init__(
            ModelCard(name=name, dim=dim, max_tokens=None), revision=revision, prompts=Prompts()
        )
        self._embed_queries = embed_queries
        self._embed_documents = embed_documents
        self._aembed_queries = aembed_queries
        self._aembed_documents = aembed_documents

    def count_tokens(self, texts: Sequence[str], role: Role) -> NoReturn:
        """Refused: the tokenizer is out of reach.

        Raises:
            UnsupportedByBackend: always.
        """
        raise UnsupportedByBackend(
            f"{self.name} does not show its tokenizer, so tokens cannot be counted;"
            " use an encoder of rolevec for that"
        )

    def _rows(
        self, texts: list[str], role: Role, batch_size: int | None, advance: Advance
    ) -> tuple[npt.NDArray[np.float32], list[int]]:
        embed = self._embed_queries if role is Role.QUERY else self._embed_documents
        step = batch_size or len(texts)
        parts = []
        for start in range(0, len(texts), step):
            batch = texts[start : start + step]
            parts.append(self._read(embed(batch), len(batch)))
            advance(len(batch))
        return np.concatenate(parts), [0] * len(texts)

    def _read(self, rows: npt.ArrayLike, expected: int) -> npt.NDArray[np.float32]:
        matrix = as_matrix(rows, self.card.dim)
        if len(matrix) != expected:
            raise InvalidVector(f"{self.name} gave {len(matrix)} vectors for {expected} texts")
        return matrix

    async def aencode(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        dimensions: int | None = None,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> Matrix:
        """As `BaseEncoder.aencode`, by the other library's own async function if it has one."""
        role = Role.parse(role)
        embed = self._aembed_queries if role is Role.QUERY else self._aembed_documents
        if embed is None or self._closed:
            return await super().aencode(
                texts, role, dimensions=dimensions, batch_size=batch_size, progress=progress
            )
        check_dimensions(dimensions, self.dim)
        checked = check_texts(texts)
        if not checked:
            return np.empty((0, dimensions or self.dim), dtype=np.float32)
        distinct = {text: place for place, text in enumerate(dict.fromkeys(checked))}
        pending = list(distinct)
        step = batch_size or len(pending)
        parts = []
        for start in range(0, len(pending), step):
            batch = pending[start : start + step]
            parts.append(self._read(await embed(batch), len(batch)))
        rows = self._finish(np.concatenate(parts))
        return cut_dimensions(rows[[distinct[text] for text in checked]], dimensions)


class VectorsOnly(BaseEncoder):
    """Stands in where vectors come ready-made: knows the dimension, encodes nothing.

    Its fingerprint names no model, which a collection takes as "not known".
    """

    backend = "none"

    def __init__(self, dim: int) -> None:
        super().__init__(
            ModelCard(name="", dim=dim, max_tokens=None), revision="", prompts=Prompts()
        )

    def encode_with_report(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        dimensions: int | None = None,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> Encoded:
        """Refused.

        Raises:
            RolevecError: always.
        """
        self._refuse()

    def count_tokens(self, texts: Sequence[str], role: Role) -> list[int]:
        """Refused, as `encode_with_report`."""
        self._refuse()

    def _rows(
        self, texts: list[str], role: Role, batch_size: int | None, advance: Advance
    ) -> tuple[npt.NDArray[np.float32], list[int]]:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise RolevecError(
            f"a text was to be encoded, but this was opened without an embedding model (vectors of"
            f" dimension {self.dim} only); open it with the encoder that wrote the collection, or"
            " pass vectors"
        )
