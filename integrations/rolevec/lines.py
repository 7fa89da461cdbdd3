"""Lines of text files, plain or packed, and the JSON objects in them."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

# Ending of a packed file -> what opens it.
_PACKED: Mapping[str, Callable[..., IO[str]]] = {".gz": gzip.open, ".xz": lzma.open}


def open_lines(path: Path) -> IO[str]:
    """Open a plain, .gz or .xz file as UTF-8, with or without a byte order mark.

    Lines end at a line feed only: what else Python takes for a line's end occurs inside of texts.
    """
    unpack = _PACKED.get(path.suffix)
    if unpack is None:
        return path.open(encoding="utf-8-sig", newline="\n")
    return unpack(path, "rt", encoding="utf-8-sig", newline="\n")


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number of each line that is not blank, from 1, and the object it holds.

    Raises:
        ValueError: a line is no JSON object; names file and line.
    """
    with open_lines(path) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                fields = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}:{number}: it is not JSON: {error}") from error
            if not isinstance(fields, dict):
                raise ValueError(
                    f"{path}:{number}: it is a {type(fields).__name__}, not a JSON object"
                )
            yield number, fields
