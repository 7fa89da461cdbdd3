"""Frozen settings out of the tables of a TOML or YAML file; what there is not is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

T = TypeVar("T")


def read_table(kind: type[T], table: Mapping[str, Any], place: str) -> T:
    """Settings of a dataclass from a table.

    Args:
        kind: a dataclass, whose field names are the keys.
        table: what the file holds.
        place: what errors call the table.

    Raises:
        ValueError: a key that there is not, with the nearest that there is; a value of another
            type, or one that the dataclass refuses; a key without a default that is missing.
    """
    assert is_dataclass(kind)
    known = {f.name: str(f.type) for f in fields(kind)}
    check_names(table, known, place)
    given = {name: _value(value, known[name], f"{place}: {name}") for name, value in table.items()}
    try:
        return kind(**given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place}: {error}") from error


def check_names(table: Mapping[str, Any], known: Mapping[str, Any], place: str) -> None:
    """Refuse a key that there is not.

    Raises:
        ValueError: names it, and the nearest that there is.
    """
    unknown = sorted(str(name) for name in table if name not in known)
    if not unknown:
        return
    near = [match for name in unknown for match in get_close_matches(name, known, n=1)]
    hint = f" (did you mean {', '.join(near)}?)" if near else ""
    raise ValueError(
        f"{place}: there is no {', '.join(unknown)}{hint}; there is {', '.join(known)}"
    )


def _value(value: Any, annotation: str, place: str) -> Any:
    """A value of a file as a field of that annotation takes it."""
    kind = annotation.removesuffix(" | None")
    if isinstance(value, list) and kind == "tuple[str, ...]":
        if not all(isinstance(item, str) for item in value):
            raise ValueError(f"{place} is a list of strings")
        return tuple(value)
    expected = _TYPES.get(kind)
    wrong = expected is not None and not isinstance(value, expected)
    if wrong or (isinstance(value, bool) and kind in ("int", "float")):
        raise ValueError(f"{place} = {value!r} is no {kind}")
    return value


_TYPES: dict[str, type[Any] | tuple[type[Any], ...]] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "bool | str": (bool, str),
    "tuple[str, ...]": tuple,
    "Mapping[str, Any]": dict,
    "Mapping[str, str]": dict,
}
