"""True and False made findable in Qdrant Edge.

Its Python binding (0.9) reads the value of a match as an integer first, so a match on True looks
for the number 1 and finds no boolean. Each point therefore carries the paths at which its metadata
hold True and False, and a match on a boolean asks for the path instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rolevec.errors import UnsupportedByBackend
from rolevec.qdrant.paths import parts_of, quoted
from rolevec.qdrant.payloads import METADATA, OWN

_FIELD = {True: "true", False: "false"}


def with_booleans(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload, with the paths of its booleans in the part that is ours."""
    found: dict[str, set[str]] = {}
    for path, value in _booleans(payload.get(METADATA) or {}, ""):
        found.setdefault(_FIELD[value], set()).add(path)
    if not found:
        return dict(payload)
    paths = {name: sorted(where) for name, where in found.items()}
    return {**payload, OWN: {**payload.get(OWN, {}), **paths}}


def boolean_path(key: str, value: bool) -> tuple[str, str]:
    """The field and the value to match in place of a boolean at ``key``.

    Raises:
        UnsupportedByBackend: at a numbered place in a list; only "any item" is kept.
    """
    parts = parts_of(key)
    if any(part.places.strip("[]") for part in parts):
        raise UnsupportedByBackend(
            f"Qdrant Edge cannot match True or False at a numbered place in a list, as in {key};"
            " use [] for any place"
        )
    if len(parts) > 1 and parts[0] == (METADATA, ""):
        del parts[0]
    return f"{OWN}.{_FIELD[value]}", ".".join(map(str, parts))


def _booleans(value: Any, path: str) -> Iterator[tuple[str, bool]]:
    if isinstance(value, bool):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            # No path reaches such a key, and written as one it would look like another.
            if '"' not in key:
                yield from _booleans(inner, f"{path}.{quoted(key)}" if path else quoted(key))
    elif isinstance(value, list):
        for inner in value:
            # A condition on a field that holds a list looks at its items; "a[].b" reaches inside.
            yield from _booleans(inner, path if isinstance(inner, bool) else f"{path}[]")
            if isinstance(inner, bool):
                yield f"{path}[]", inner
