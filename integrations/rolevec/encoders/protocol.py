"""What every encoder can do, and what the rest of the package asks of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

from rolevec.fingerprint import Fingerprint
from rolevec.models.card import ModelCard
from rolevec.roles import Role
from rolevec.truncation import TruncationReport
from rolevec.vectors import Matrix


@dataclass(frozen=True, slots=True)
class Encoded:
    """Vectors of some texts, and what of the texts did not reach the model.

    Attributes:
        vectors: shape (n, dim), one unit row per text, in order.
        truncation: tokens dropped per text.
    """

    vectors: Matrix
    truncation: TruncationReport


@runtime_checkable
class Encoder(Protocol):
    """A model that turns texts into unit vectors, by role.

    Attributes:
        name: the model's name.
        dim: dimension of the rows it returns.
        max_tokens: longest input, prompt and special tokens included; None if unlimited.
        card: facts about the model.
        fingerprint: identity of its vectors.
    """

    @property
    def name(self) -> str: ...
    @property
    def dim(self) -> int: ...
    @property
    def max_tokens(self) -> int | None: ...
    @property
    def card(self) -> ModelCard: ...
    @property
    def fingerprint(self) -> Fingerprint: ...

    def encode(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        dimensions: int | None = None,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> Matrix: ...
    def encode_queries(self, texts: Sequence[str]) -> Matrix: ...
    def encode_documents(self, texts: Sequence[str]) -> Matrix: ...
    async def aencode(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        dimensions: int | None = None,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> Matrix: ...
    async def aencode_queries(self, texts: Sequence[str]) -> Matrix: ...
    async def aencode_documents(self, texts: Sequence[str]) -> Matrix: ...
    def count_tokens(self, texts: Sequence[str], role: Role) -> list[int]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...


@runtime_checkable
class ReportingEncoder(Encoder, Protocol):
    """An encoder that also tells what it cut; all of ours do."""

    def encode_with_report(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        dimensions: int | None = None,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> Encoded: ...


def encode_with_report(encoder: Encoder, texts: Sequence[str], role: Role) -> Encoded:
    """Encode with any encoder; one that cannot report is taken at its word that it cut nothing."""
    if isinstance(encoder, ReportingEncoder):
        return encoder.encode_with_report(texts, role)
    vectors = encoder.encode(texts, role)
    return Encoded(vectors, TruncationReport((0,) * len(texts), encoder.max_tokens))
