"""What all encoders share: border checks, prompts, one row per distinct text, unit rows, async."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from rolevec.encoders.batching import overlapped, processors
from rolevec.encoders.call import Call
from rolevec.encoders.gathering import FEW, Gathering
from rolevec.encoders.progress import Advance, counter
from rolevec.encoders.protocol import Encoded
from rolevec.errors import InvalidText, RolevecError
from rolevec.fingerprint import Fingerprint
from rolevec.models.card import ModelCard
from rolevec.prompts import Prompts
from rolevec.roles import Role
from rolevec.truncation import TruncationPolicy, check_policy, enforce
from rolevec.vectors import Matrix, check_dimensions, cut_dimensions, unit_rows


class BaseEncoder(ABC):
    """Does once what every backend needs; a backend supplies `_rows` (and its loading).

    Args:
        card: facts about the model; its prompts are applied unless ``prompts`` changes them.
        revision: what identifies the weights, for the fingerprint.
        prompts: templates that win over the card's, role by role.
        dimensions: deliver this many leading coordinates, re-normalised.
        truncation: policy for over-long texts.

    Attributes:
        backend: what does the arithmetic, in a word.
        tolerance: how far a coordinate may move with the company a text is encoded in.
        awaits: `_arows` waits for others rather than computes, so that `aencode` needs no thread.
        chunk: texts handed to `_rows` at a time: bounds the memory of a long call, and is plenty to
            sort by length.
        threads: most chunks at work at the same time, where there are as many processors.
        tells_truncation: False if what is cut happens elsewhere and is not told; reports then hold
            zeros.
    """

    backend: str = ""
    tolerance: float = 1e-5
    awaits: bool = False
    chunk: int = 1 << 12
    threads: int = 1
    tells_truncation: bool = True

    def __init__(
        self,
        card: ModelCard,
        *,
        revision: str,
        prompts: Prompts,
        dimensions: int | None = None,
        truncation: TruncationPolicy = "warn",
    ) -> None:
        check_dimensions(dimensions, card.dim)
        self.card = card
        self.prompts = prompts
        self.truncation = check_policy(truncation)
        self.dim = dimensions or card.dim
        self.fingerprint = Fingerprint(
            model=card.name,
            revision=revision,
            dim=self.dim,
            prompts=prompts.to_dict(),
            pooling=card.pooling or "",
        )
        self._closed = False
        self._gathering = Gathering()

    @property
    def name(self) -> str:
        """The model's name."""
        return self.card.name

    @property
    def max_tokens(self) -> int | None:
        """Longest input in tokens, prompt and special tokens included; None if unlimited."""
        return self.card.max_tokens

    @abstractmethod
    def _rows(
        self, texts: list[str], role: Role, batch_size: int | None, advance: Advance
    ) -> tuple[npt.NDArray[np.float32], list[int]]:
        """Encode distinct, checked texts.

        Args:
            texts: without prompts; the backend applies ``self.prompts`` through `Prompts`.
            role: whose prompt to apply.
            batch_size: most texts in one forward pass; None leaves it to the backend.
            advance: to be called with the number of texts finished.

        Returns:
            vectors of shape (n, card.dim), of any length, and the tokens dropped per text.
        """

    async def _arows(
        self, texts: list[str], role: Role, batch_size: int | None, advance: Advance
    ) -> tuple[npt.NDArray[np.float32], list[int]]:
        """As `_rows`; called only where ``awaits``."""
        raise NotImplementedError

    @abstractmethod
    def count_tokens(self, texts: Sequence[str], role: Role) -> list[int]:
        """Tokens of each text as the model would see it uncut, prompt and special tokens included.

        Raises:
            InvalidText: a text is blank or not encodable.
        """

    def encode(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        dimensions: int | None = None,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> Matrix:
        """Encode texts under a role.

        Args:
            texts: any number of non-blank strings.
            role: required; decides the prompt.
            dimensions: cut to this many leading coordinates; None takes the encoder's own.
            batch_size: most texts in one forward pass; None chooses.
            progress: show a bar on standard error.

        Returns:
            float32, shape (len(texts), dim), unit rows in the order of the texts.

        Raises:
            InvalidText: a text is blank, not a string or not encodable; names the position.
            InputTooLong: too long, under the policy "error".
            InvalidVector: the model returned NaN or infinity.
            RemoteError: an endpoint failed; as `PartialFailure` it brings the texts that are done.
        """
        return self.encode_with_report(
            texts, role, dimensions=dimensions, batch_size=batch_size, progress=progress
        ).vectors

    def encode_with_report(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        dimensions: int | None = None,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> Encoded:
        """As `encode`, with the number of tokens dropped from each text."""
        call = self._begin(texts, role, dimensions)
        with counter(len(call.texts), f"encoding with {self.name}", show=progress) as advance:
            self._encode_chunks(call, batch_size, advance)
        report = enforce(call.dropped, self.max_tokens, self.truncation, stacklevel=3)
        return Encoded(call.vectors(), report)

    def _encode_chunks(self, call: Call, batch_size: int | None, advance: Advance) -> None:
        def one(chunk: list[str]) -> tuple[Matrix, list[int]]:
            rows, lost = self._rows(chunk, call.role, batch_size, advance)
            return self._finish(rows), lost

        # Asking for the processors reads files, which costs as much as one short text.
        alone = self.threads < 2 or len(call.texts) <= self.chunk
        threads = 1 if alone else min(self.threads, processors())
        if threads < 2:
            for chunk in call.chunks(self.chunk):
                with call.in_callers_terms(self._finish):
                    done = one(chunk)
                call.add(*done)
            return
        for done in overlapped(one, call.chunks(self.chunk), threads):
            call.add(*done)

    def _begin(self, texts: Sequence[str], role: Role, dimensions: int | None) -> Call:
        if self._closed:
            raise RolevecError(f"the encoder {self.name} is closed; load it again")
        role = Role.parse(role)
        check_dimensions(dimensions, self.dim)
        return Call(check_texts(texts), role, self.dim, dimensions)

    def _finish(self, rows: npt.NDArray[np.float32]) -> Matrix:
        return cut_dimensions(unit_rows(rows, self.card.dim), self.dim)

    def encode_queries(self, texts: Sequence[str]) -> Matrix:
        """`encode` under `Role.QUERY`."""
        return self.encode(texts, Role.QUERY)

    def encode_documents(self, texts: Sequence[str]) -> Matrix:
        """`encode` under `Role.DOCUMENT`."""
        return self.encode(texts, Role.DOCUMENT)

    async def aencode(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        dimensions: int | None = None,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> Matrix:
        """`encode` while the event loop goes on: in a thread, or awaiting an endpoint's answers.

        Calls of few texts that come while another is at work are encoded together. Cancelling one
        stops the requests that are under way; a thread goes on to its end.
        """
        alone = batch_size is not None or progress or len(texts) > FEW or self._encodes_otherwise()
        if alone and not self.awaits:
            return await asyncio.to_thread(
                self.encode,
                texts,
                role,
                dimensions=dimensions,
                batch_size=batch_size,
                progress=progress,
            )
        call = self._begin(texts, role, dimensions)
        with counter(len(call.texts), f"encoding with {self.name}", show=progress) as advance:
            for chunk in call.chunks(self.chunk):
                with call.in_callers_terms(self._finish):
                    if self.awaits:
                        found, lost = await self._arows(chunk, call.role, batch_size, advance)
                        rows = self._finish(found)
                    else:
                        rows, lost = await self._gathering.rows(self._gathered, chunk, call.role)
                call.add(rows, lost)
        enforce(call.dropped, self.max_tokens, self.truncation)
        return call.vectors()

    def _encodes_otherwise(self) -> bool:
        """True for a class that has an `encode` of its own, which `aencode` then goes through."""
        own = type(self)
        return (
            own.encode is not BaseEncoder.encode
            or own.encode_with_report is not BaseEncoder.encode_with_report
        )

    def _gathered(self, texts: list[str], role: Role) -> tuple[Matrix, list[int]]:
        rows, lost = self._rows(texts, role, None, lambda _: None)
        return self._finish(rows), lost

    async def aencode_queries(self, texts: Sequence[str]) -> Matrix:
        """`aencode` under `Role.QUERY`."""
        return await self.aencode(texts, Role.QUERY)

    async def aencode_documents(self, texts: Sequence[str]) -> Matrix:
        """`aencode` under `Role.DOCUMENT`."""
        return await self.aencode(texts, Role.DOCUMENT)

    def close(self) -> None:
        """Let the model go; a later call to `encode` is refused."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.fingerprint.describe()})"


def check_texts(texts: Sequence[str]) -> list[str]:
    """A list of the texts, each a non-blank string that UTF-8 can carry.

    Raises:
        InvalidText: names the first position that is not, and why.
    """
    if isinstance(texts, str):
        raise InvalidText("texts is one string; pass a list of strings")
    checked = list(texts)
    if _all_sound(checked):
        return checked
    for position, text in enumerate(checked):
        if not isinstance(text, str):
            raise InvalidText(f"text {position} is a {type(text).__name__}, not a string")
        if not text or text.isspace():
            raise InvalidText(f"text {position} is {'blank' if text else 'empty'}")
        check_utf8(text, f"text {position}")
    return checked


def _all_sound(texts: list[str]) -> bool:
    """True if no text needs to be looked at more closely: the quick way through a long list."""
    if not set(map(type, texts)) <= {str} or not all(texts) or any(map(str.isspace, texts)):
        return False
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True


def check_utf8(text: str, name: str) -> None:
    """Raise `InvalidText`, saying ``name``, unless UTF-8 can carry a text."""
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidText(
            f"{name} holds a lone surrogate at character {error.start}, which UTF-8 cannot carry"
        ) from error
