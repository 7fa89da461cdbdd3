"""What a request can be refused for; each dialect says it in its own shape."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Kind(StrEnum):
    """Why; a dialect has a status and a name for each."""

    INVALID = "invalid"  # the request says what nobody can do
    MALFORMED = "malformed"  # it is no JSON object, or a field has the wrong type
    TOO_LONG = "too_long"  # a text is over the model's limit, and may not be cut
    EMPTY = "empty"  # there is no text in it
    TOO_LARGE = "too_large"  # the body is
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"  # no such model or address
    WRONG_METHOD = "wrong_method"
    RATE_LIMITED = "rate_limited"  # this key asks too often
    OVERLOADED = "overloaded"  # the queue is full
    TIMEOUT = "timeout"  # the deadline passed
    UNAVAILABLE = "unavailable"  # shutting down, or a model behind this server failed
    INTERNAL = "internal"  # a fault in this program


class Refused(Exception):
    """A request that gets no answer but this.

    Attributes:
        kind: why.
        message: for the person who sent it.
        param: field of the request that is at fault, or "".
        headers: for the answer.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        param: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.param = param
        self.headers = dict(headers or {})


def invalid(message: str, param: str = "") -> Refused:
    """A request that says what nobody can do."""
    return Refused(Kind.INVALID, message, param=param)


def malformed(message: str, param: str = "") -> Refused:
    """A request with a field of the wrong type."""
    return Refused(Kind.MALFORMED, message, param=param)
