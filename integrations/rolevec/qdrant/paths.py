"""Names of metadata fields as the paths that the engines read."""

from __future__ import annotations

import re
from typing import NamedTuple

from rolevec.errors import InvalidFilter, shown
from rolevec.qdrant.payloads import DEEPEST

# A key, in quotes or plain, and the places in lists that follow it. The engines know no escape,
# so a key that holds a quote or a backslash cannot be reached.
_PART = re.compile(r'(?:"([^"\\]*)"|([^."\[\]\\]+))((?:\[[0-9]{0,9}\])*)')
# Other keys are quoted: the engines differ in the letters they take unquoted.
_BARE = re.compile(r"[A-Za-z0-9_-]+")


class Part(NamedTuple):
    """One step of a path.

    Attributes:
        key: of a mapping.
        places: "[]" (any item) or "[3]" for each list it leads through.
    """

    key: str
    places: str = ""

    def __str__(self) -> str:
        return quoted(self.key) + self.places


def quoted(key: str) -> str:
    """A key as it stands in a path."""
    return key if _BARE.fullmatch(key) else f'"{key}"'


def parts_of(name: str) -> list[Part]:
    """Read a path: keys joined by dots, with "[]" or "[3]" after one that holds a list.

    A key that holds a dot or a bracket stands in double quotes.

    Raises:
        InvalidFilter: not a path, or one that leads deeper than metadata go.
    """
    if not isinstance(name, str):
        raise InvalidFilter(f"the name of a field is a string, not {shown(name)}")
    parts, at = [], 0
    while found := _PART.match(name, at):
        inside, plain, places = found.groups()
        parts.append(Part(plain if inside is None else inside, places))
        at = found.end()
        if at == len(name):
            return _checked(parts, name)
        if name[at] != ".":
            break
        at += 1
    raise InvalidFilter(
        f"{shown(name)} is not the name of a metadata field: dots lead into nested mappings, [] or"
        " [3] into lists, and a key with other signs stands in double quotes, as in '\"a.b\"'"
    )


def _checked(parts: list[Part], name: str) -> list[Part]:
    # The limit also keeps an engine from walking a path of any length.
    if len(parts) + sum(part.places.count("[") for part in parts) > DEEPEST + 2:
        raise InvalidFilter(f"{shown(name)} leads deeper than metadata go")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InvalidFilter(f"the field {shown(name)} cannot be written as UTF-8") from error
    return parts


def payload_path(name: str) -> str:
    """A path as all engines read it alike.

    Raises:
        InvalidFilter: as `parts_of`.
    """
    return ".".join(map(str, parts_of(name)))
