"""From what went wrong to an error that says so, without secrets and without pages of HTML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from rolevec.errors import AuthenticationError, InputTooLong, RateLimited, RemoteError, RolevecError

_SHOWN = 500
_HIDDEN = "[hidden]"
_LONG_KEY = 8
# Headers that may carry what belongs to nobody else.
_PRIVATE = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key"})
_CREDENTIAL = re.compile(r"(?i)(bearer\s+)[^\s\"',}]+|\b(?:sk|co)-[A-Za-z0-9_*-]{8,}")
_TOO_LONG = re.compile(
    r"(?i)too long|too many tokens|maximum context length|must have less than \d+ tokens"
    r"|exceeds? the (?:maximum|max) (?:number of )?tokens"
)
_KINDS = {401: AuthenticationError, 403: AuthenticationError, 429: RateLimited}


def clean(text: str, key: str) -> str:
    """A text without the key and whatever else looks like one, shortened."""
    if len(key) >= _LONG_KEY:
        text = text.replace(key, _HIDDEN)
    elif key:  # a word for a test server; anywhere else it is a part of other words
        text = re.sub(rf"(?<!\w){re.escape(key)}(?!\w)", _HIDDEN, text)
    text = _CREDENTIAL.sub(lambda match: (match[1] or "") + _HIDDEN, " ".join(text.split()))
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def clean_headers(headers: Mapping[str, str], key: str) -> dict[str, str]:
    """Headers in lower case, those that may hold secrets left out."""
    return {
        name.lower(): clean(value, key)
        for name, value in headers.items()
        if name.lower() not in _PRIVATE
    }


def refused(
    status: int, body: str, headers: Mapping[str, str], *, route: str, key: str, hint: str
) -> RolevecError:
    """The error of an answer that is a failure.

    Args:
        status: 3xx to 5xx.
        body: as it came.
        headers: as they came.
        route: method and address.
        key: to be hidden.
        hint: how the caller gives another key.
    """
    shown = clean(body, key)
    said = clean(_message(body) or body, key)
    message = f"{route} answered {status}" + (f": {said}" if said else "")
    if status in (400, 413, 422) and _TOO_LONG.search(said):
        return InputTooLong(f'{message}; shorten the text, or choose another truncation= ("end")')
    advice = clean(_advice(status, headers, hint), key)
    kind = _KINDS.get(status, RemoteError)
    return kind(
        f"{message}; {advice}" if advice else message,
        status=status,
        body=shown,
        headers=clean_headers(headers, key),
    )


def unreadable(
    what: str, body: str, headers: Mapping[str, str], *, status: int, route: str, key: str
) -> RemoteError:
    """The error of an answer that says success and is not what was to come."""
    shown = clean(body, key)
    return RemoteError(
        f"{route} answered {status} with {what}: {shown[:120]}",
        status=status,
        body=shown,
        headers=clean_headers(headers, key),
    )


def unanswered(error: Exception, *, route: str, timeout: float, key: str) -> RemoteError:
    """The error of a request to which no whole answer came; its status is 0."""
    if isinstance(error, TimeoutError):
        return RemoteError(f"{route} gave no whole answer in {timeout:g} seconds", status=0)
    said = clean(str(error), key)
    return RemoteError(
        f"{route} failed: {type(error).__name__}{': ' + said if said else ''}", status=0
    )


def _advice(status: int, headers: Mapping[str, str], hint: str) -> str:
    if status in (401, 403):
        return hint
    if 300 <= status < 400:
        return f"give the address it moved to as base_url ({headers.get('location', 'not said')})"
    if status in (404, 405):
        return "is base_url right, and does the endpoint have that model?"
    return ""


def _message(body: str) -> str:
    """The sentence inside a JSON error: Cohere's and TEI's are flat, OpenAI's is nested."""
    try:
        data: Any = json.loads(body)
    except ValueError:
        return ""
    while isinstance(data, dict):
        data = next((data[k] for k in ("message", "error", "detail") if data.get(k)), None)
    return data if isinstance(data, str) else ""
