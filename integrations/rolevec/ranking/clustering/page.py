"""A map of clusters as one HTML page that loads nothing."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from rolevec.ranking.clustering.colours import colours

if TYPE_CHECKING:
    from rolevec.ranking.clustering.map import ClusterMap

# What a tooltip can hold.
_CHARACTERS = 400
_UNITS = 10_000


def page(drawn: ClusterMap) -> str:
    """The page as text.

    Texts reach it as JSON in which every character that HTML could read is escaped, and the script
    shows them as text, never as markup. The policy in its head allows the page's own script, by its
    hash, and nothing from outside.
    """
    script = (files(__package__) / "page.js").read_text("utf-8")
    parts = {
        "title": html.escape(drawn.title or "Clusters"),
        "note": html.escape(drawn.note),
        "hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "style": (files(__package__) / "page.css").read_text("utf-8"),
        "script": script,
        "data": _escaped(_data(drawn)),
    }
    text = (files(__package__) / "page.html").read_text("utf-8")
    head, *rest = text.split("{{")
    filled = [parts[piece.partition("}}")[0]] + piece.partition("}}")[2] for piece in rest]
    # Lone surrogates cannot be written as UTF-8.
    return (head + "".join(filled)).encode("utf-8", "replace").decode("utf-8")


def _data(drawn: ClusterMap) -> dict[str, Any]:
    points = drawn.points - drawn.points.mean(axis=0) if len(drawn.points) else drawn.points
    scale = _UNITS / max(float(np.abs(points).max(initial=0)), 1e-9)
    shades = colours(len(drawn.sizes))
    return {
        "points": np.rint(points * scale).astype(int).ravel().tolist(),
        "labels": drawn.labels.tolist(),
        "texts": [_shortened(text) for text in drawn.texts],
        "clusters": [
            {"keywords": list(words), "size": size, "colour": colour}
            for words, size, colour in zip(drawn.keywords, drawn.sizes, shades, strict=True)
        ],
    }


def _shortened(text: str) -> str:
    return text if len(text) <= _CHARACTERS else text[: _CHARACTERS - 1] + "…"


def _escaped(value: Any) -> str:
    """JSON without any character that means something to HTML or ends a line of JavaScript."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
