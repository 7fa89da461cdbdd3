"""Errors in each dialect's own shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rolevec.server.failures import Kind, Refused
from rolevec.server.http import Answer, json_answer

Shape = Callable[[Refused], Answer]

_STATUS = {
    Kind.INVALID: 400,
    Kind.MALFORMED: 400,
    Kind.TOO_LONG: 400,
    Kind.EMPTY: 400,
    Kind.TOO_LARGE: 413,
    Kind.UNAUTHORIZED: 401,
    Kind.NOT_FOUND: 404,
    Kind.WRONG_METHOD: 405,
    Kind.RATE_LIMITED: 429,
    Kind.OVERLOADED: 429,
    Kind.TIMEOUT: 504,
    Kind.UNAVAILABLE: 503,
    Kind.INTERNAL: 500,
}
# TEI's own: router/src/http/server.rs, `impl From<ErrorResponse>`.
_TEI_STATUS = _STATUS | {Kind.INVALID: 422, Kind.MALFORMED: 422, Kind.TOO_LONG: 422}
_TEI_TYPE = {
    Kind.EMPTY: "Empty",
    Kind.UNAUTHORIZED: "Unauthorized",
    Kind.NOT_FOUND: "NotFound",
    Kind.RATE_LIMITED: "Overloaded",
    Kind.OVERLOADED: "Overloaded",
    Kind.TIMEOUT: "Backend",
    Kind.UNAVAILABLE: "Unhealthy",
    Kind.INTERNAL: "Backend",
}
_OPENAI_CODE = {
    Kind.TOO_LONG: "context_length_exceeded",
    Kind.UNAUTHORIZED: "invalid_api_key",
    Kind.NOT_FOUND: "model_not_found",
    Kind.RATE_LIMITED: "rate_limit_exceeded",
    Kind.OVERLOADED: "server_overloaded",
}


def cohere(refused: Refused) -> Answer:
    """``{"message": …}``."""
    message = refused.message
    if refused.kind in (Kind.INVALID, Kind.MALFORMED, Kind.TOO_LONG, Kind.EMPTY):
        message = f"invalid request: {message}"
    return json_answer({"message": message}, _STATUS[refused.kind], refused.headers)


def openai(refused: Refused) -> Answer:
    """``{"error": {"message": …, "type": …, "param": …, "code": …}}``."""
    return json_answer({"error": _nested(refused)}, _STATUS[refused.kind], refused.headers)


def tei(refused: Refused) -> Answer:
    """``{"error": …, "error_type": …}``."""
    body = {
        "error": refused.message,
        "error_type": _TEI_TYPE.get(refused.kind, "Validation"),
    }
    return json_answer(body, _TEI_STATUS[refused.kind], refused.headers)


def shared(refused: Refused) -> Answer:
    """Cohere's and OpenAI's at once, for addresses that both have, and for those nobody has."""
    body = {"message": refused.message, "error": _nested(refused)}
    return json_answer(body, _STATUS[refused.kind], refused.headers)


def _nested(refused: Refused) -> Mapping[str, Any]:
    status = _STATUS[refused.kind]
    if status >= 500:
        kind = "server_error"
    elif status == 429:
        kind = "rate_limit_error"
    else:
        kind = "invalid_request_error"
    return {
        "message": refused.message,
        "type": kind,
        "param": refused.param or None,
        "code": _OPENAI_CODE.get(refused.kind),
    }
