"""Answers of a Qdrant server that are no success, as errors that say what to do."""

from __future__ import annotations

import json

from qdrant_client.http.exceptions import ApiException, UnexpectedResponse
from qdrant_client.http.exceptions import ResponseHandlingException as NoAnswer

from rolevec.errors import AuthenticationError, RateLimited, RemoteError, RolevecError

_KINDS = {401: AuthenticationError, 403: AuthenticationError, 429: RateLimited}
# Between what a limit of strict mode refuses and its advice; lib/collection/src/operations/types.rs
# of Qdrant 1.19.
_HELP = ". Help: "


def translated(error: ApiException | ValueError, collection: str) -> RolevecError:
    """The error of this library for one of the client's."""
    if isinstance(error, NoAnswer):
        return RemoteError(
            f"the Qdrant server of the collection {collection!r} did not answer: {error}", status=0
        )
    if not isinstance(error, UnexpectedResponse):
        return RolevecError(f"Qdrant, collection {collection!r}: {error}")
    status = error.status_code or 0
    body = (error.content or b"").decode(errors="replace")[:500]
    return _KINDS.get(status, RemoteError)(
        _message(status, _reason(error.content or b""), body, collection),
        status=status,
        body=body,
        headers=dict(error.headers or {}),
    )


def _message(status: int, reason: str, body: str, collection: str) -> str:
    if status == 429:
        return (
            f"the Qdrant server limits how often the collection {collection!r} is used (strict"
            f" mode): {reason or body}. Use fewer workers or smaller batches, or raise"
            " read_rate_limit or write_rate_limit of the collection"
        )
    if _HELP in reason:
        refused, _, advice = reason.removeprefix("Bad request: ").partition(_HELP)
        return (
            f"a limit of the collection {collection!r} (strict mode of the Qdrant server) refused"
            f" the request: {refused}. {advice} Or raise the limit in the collection's"
            " strict_mode_config"
        )
    return f"the Qdrant server answered {status} for the collection {collection!r}: {body}"


def _reason(content: bytes) -> str:
    try:
        answer = json.loads(content)
        return str(answer["status"]["error"])
    except (ValueError, TypeError, KeyError):
        return ""
