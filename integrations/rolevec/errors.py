"""Every error that rolevec raises on purpose.

RolevecError
├── MissingExtra (ImportError)          an optional package is not installed
├── UnknownModel (LookupError)          no card, folder or backend answers to that name
├── ModelNotAvailable                   the model is known, its files cannot be had here
├── MissingPrompts (ValueError)         a model of a prompted family came without its prompts
├── UnsupportedRole (ValueError)        no such role, or the model has none like it
├── InvalidText (ValueError)            empty, blank, not a string, or not encodable as UTF-8
├── InputTooLong (ValueError)           over the model's limit under the policy "error"
├── InvalidVector (ValueError)          NaN, infinity, zero length or the wrong dimension
├── InvalidDocument (ValueError)        an id, a payload or metadata that cannot be stored
├── InvalidFilter (ValueError)          a ``where`` that cannot be translated
├── CollectionNotFound (LookupError)    ``create=False`` and nothing is there
├── CollectionMismatch (ValueError)     the collection was written by another encoder
├── CollectionBusy                      another process has the embedded store open
├── UnsupportedByBackend (ValueError)   the storage engine in use cannot do that
└── RemoteError                         an endpoint answered with a failure, or not at all
    ├── AuthenticationError             401 or 403, or no key at all
    ├── RateLimited                     429, after the retries were spent
    └── PartialFailure                  some texts of a call are done, the rest failed
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def shown(value: object) -> str:
    """A value for a message: its repr, shortened."""
    try:
        text = repr(value)
    except Exception:  # Python prints no integer of more than 4300 digits, for one
        return f"a {type(value).__name__} that cannot be printed"
    return text if len(text) <= 100 else text[:99] + "…"


class RolevecError(Exception):
    """Base of all errors of this library."""


class MissingExtra(RolevecError, ImportError):
    """An optional package is not installed; the message holds the pip command."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed; it comes with an extra: pip install 'rolevec[{extra}]'"
        )
        self.package = package
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str]]:
        return type(self), (self.package, self.extra)


class UnknownModel(RolevecError, LookupError):
    """No card, alias, folder or backend answers to the given name."""


class ModelNotAvailable(RolevecError):
    """The model is known, but its files are neither here nor downloadable."""


class MissingPrompts(RolevecError, ValueError):
    """A model of a family that needs prompts came without any."""


class UnsupportedRole(RolevecError, ValueError):
    """The role does not exist, or the model has nothing like it."""


class InvalidText(RolevecError, ValueError):
    """A text is empty, blank, not a string or not encodable; the message names its position."""


class InputTooLong(RolevecError, ValueError):
    """A text is longer than the model takes, and the truncation policy is "error"."""


class InvalidVector(RolevecError, ValueError):
    """A vector holds NaN or infinity, has no length, or has the wrong dimension."""


class InvalidDocument(RolevecError, ValueError):
    """An id or metadata value that cannot be stored and read back unchanged."""


class InvalidFilter(RolevecError, ValueError):
    """A filter that has no meaning for the storage engine."""


class CollectionNotFound(RolevecError, LookupError):
    """The collection does not exist and ``create=False`` was given."""


class CollectionMismatch(RolevecError, ValueError):
    """The collection was written by another encoder than the one in hand."""


class CollectionBusy(RolevecError):
    """Another process has the embedded store open."""


class UnsupportedByBackend(RolevecError, ValueError):
    """The storage engine in use cannot do what was asked."""


class RemoteError(RolevecError):
    """An endpoint answered with a failure, or not at all.

    Attributes:
        status: HTTP status code; 0 if no whole answer came.
        body: what the endpoint said, shortened, without secrets.
        headers: response headers in lower case.
    """

    def __init__(
        self, message: str, *, status: int, body: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = body
        self.headers = dict(headers or {})

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their positional arguments, which would leave out the others.
        return _remade, (type(self), self.args, self.__dict__)


class AuthenticationError(RemoteError):
    """The endpoint refused the key (401 or 403), or nobody gave one that it asks for."""


class RateLimited(RemoteError):
    """The endpoint kept answering 429 until the retries were spent."""


class PartialFailure(RemoteError):
    """Some texts of a call are done, the rest failed; `__cause__` says why.

    Status, body and headers are those of the cause. To go on, keep ``vectors`` and call again with
    the texts at ``missing``.

    Attributes:
        done: positions of the texts that are done, ascending.
        vectors: float32, shape (len(done), dim), unit rows in the order of ``done``.
        dropped: tokens dropped from each of them.
        missing: positions of the others.
    """

    def __init__(
        self,
        cause: Exception,
        *,
        done: Sequence[int],
        vectors: npt.NDArray[np.float32],
        dropped: Sequence[int],
        total: int,
    ) -> None:
        super().__init__(
            f"{cause} ({len(done)} of {total} texts are done: their positions and vectors are in"
            " .done and .vectors of this error, the rest in .missing)",
            status=getattr(cause, "status", 0),
            body=getattr(cause, "body", ""),
            headers=getattr(cause, "headers", None),
        )
        self.done = tuple(done)
        self.vectors = vectors
        self.dropped = tuple(dropped)
        known = set(self.done)
        self.missing = tuple(place for place in range(total) if place not in known)


def _remade(kind: type[RemoteError], args: tuple[Any, ...], state: dict[str, Any]) -> RemoteError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error
