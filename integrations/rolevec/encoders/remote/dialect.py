"""What a dialect has to know: how to ask, and how to read the answer. No I/O happens here."""

from __future__ import annotations

import base64
import binascii
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from rolevec.encoders.remote.connection import Provider
from rolevec.errors import InvalidVector
from rolevec.roles import Role
from rolevec.truncation import TruncationPolicy


@dataclass(frozen=True, slots=True)
class Request:
    """One request; without a body it is a GET.

    Attributes:
        path: behind the base URL.
        body: becomes JSON.
        tokens: estimate of what it costs of the budget.
    """

    path: str
    body: Mapping[str, Any] | None = None
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that was JSON.

    Attributes:
        data: what it held.
        headers: with names in lower case.
    """

    data: Any
    headers: Mapping[str, str]


class BadReply(Exception):
    """An answer is not of the shape that was to come; the message completes "answered with …"."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a text: where it begins and ends in the text's UTF-8 bytes."""

    start: int
    stop: int


class Dialect(ABC):
    """Builds requests and reads replies for one model of one provider.

    Attributes:
        provider: facts about the endpoint.
        model: as the provider calls it.
        max_texts: most texts in one request.
        max_request_tokens: most tokens in one request, as estimated; None for no limit.
        max_request_bytes: most bytes of text in one request; None for no limit.
        tells_tokens: the endpoint tells the tokens of a text and where they stand, so that texts
            can be cut on our side, the same way as everywhere.
    """

    provider: ClassVar[Provider]
    tells_tokens: ClassVar[bool] = False

    model: str
    max_texts: int
    max_request_tokens: int | None = None
    max_request_bytes: int | None = None

    @abstractmethod
    def embed(self, texts: list[str], role: Role) -> Request:
        """The request for the vectors of prompted texts."""

    @abstractmethod
    def vectors(self, reply: Reply) -> list[Any]:
        """The vectors of an answer, in order, as JSON has them.

        Raises:
            BadReply: it is not of this dialect.
        """

    def usage(self, reply: Reply) -> tuple[int | None, Mapping[str, float]]:
        """Tokens and billed units of an answer; (None, {}) where it does not tell."""
        return None, {}

    def applied(self, role: Role) -> str:
        """How the endpoint is told the role, for the fingerprint; "" if by the text alone."""
        return ""

    @abstractmethod
    def check_truncation(self, policy: TruncationPolicy) -> None:
        """Refuse a policy that the provider has nothing for.

        Raises:
            UnsupportedByBackend: says which there are.
        """

    @abstractmethod
    def tokenize(self, texts: list[str], role: Role, *, bare: bool = False) -> list[Request]:
        """Requests that tell the tokens of prompted texts.

        Args:
            texts: with the prompts that we apply.
            role: for a prompt that the endpoint applies.
            bare: without that prompt and without special tokens.

        Raises:
            UnsupportedByBackend: the provider counts no tokens.
        """

    def token_counts(self, reply: Reply) -> list[int]:
        """Number of tokens of each text of a `tokenize` request.

        Raises:
            BadReply: it is not of this dialect.
        """
        raise NotImplementedError

    def tokens(self, reply: Reply) -> list[list[Token]]:
        """Tokens of each text, only where `tells_tokens`."""
        raise NotImplementedError


def read_vector(value: Any) -> Any:
    """A vector in either of its forms: a list of numbers, or base64 of little-endian float32.

    Raises:
        InvalidVector: neither.
    """
    if isinstance(value, list):
        return value
    if not isinstance(value, str):
        raise InvalidVector(f"a vector came as {type(value).__name__}, not as list or base64")
    try:
        raw = base64.b64decode(value, validate=True)
        vector: npt.NDArray[np.float32] = np.frombuffer(raw, "<f4")
    except (binascii.Error, ValueError) as error:
        raise InvalidVector(
            f"a vector came as text that is no base64 of float32: {error}"
        ) from None
    return vector


def part(data: Any, key: str, kind: type) -> Any:
    """A field of a JSON object.

    Raises:
        BadReply: there is none, or it is of another type.
    """
    value = data.get(key) if isinstance(data, dict) else None
    if not isinstance(value, kind):
        raise BadReply(f"JSON that has no {kind.__name__} {key!r}")
    return value
