"""The page at `/`: texts in, their matrix of similarities out, and the code that gets the same.

Plain files without a build step or anything from elsewhere. They talk to the server that serves
them, by `GET /v1/models` and `POST /v2/embed`, at addresses relative to the page's own; an API key
typed into it stays in its memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_FOLDER = Path(__file__).parent
_JAVASCRIPT = "text/javascript; charset=utf-8"
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page/page.js": ("page.js", _JAVASCRIPT),
    "/page/snippets.js": ("snippets.js", _JAVASCRIPT),
    "/page/example.js": ("example.js", _JAVASCRIPT),
    "/page/icon.svg": ("icon.svg", "image/svg+xml"),
}

ASSETS: Mapping[str, tuple[bytes, str]] = MappingProxyType(
    {path: ((_FOLDER / name).read_bytes(), kind) for path, (name, kind) in _FILES.items()}
)
"""Path -> content and media type."""

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Value of Content-Security-Policy: nothing inline, nothing from elsewhere, in nobody's frame."""

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": CSP,
        "Cache-Control": "no-cache",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
)
"""Headers that every one of the assets is served with."""
