"""Rows of training tables: TSV, JSON lines or Parquet, plain or compressed, read as a stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from rolevec.lines import json_lines, open_lines
from rolevec.parquet import parquet_rows

_PARQUET = ".parquet"
_TABLES, _OBJECTS = (
    tuple(kind + packing for packing in ("", ".gz", ".xz")) for kind in (".tsv", ".jsonl")
)
SUFFIXES = (*_TABLES, *_OBJECTS, _PARQUET)

Record: TypeAlias = list[str] | Mapping[str, Any]
"""The columns of a row in order, or by name."""


def read_records(path: Path) -> Iterator[tuple[int, Record]]:
    """The number of each row, from 1, and the row.

    Raises:
        ValueError: a line is no JSON object, or a Parquet file is damaged; names file and line.
        MissingExtra: Parquet without ``pyarrow``.
    """
    if path.name.endswith(_PARQUET):
        yield from _parquet(path)
        return
    if not path.name.endswith(_TABLES):
        yield from json_lines(path)
        return
    with open_lines(path) as lines:
        for number, line in enumerate(lines, 1):
            yield number, line.rstrip("\n").split("\t")


def _parquet(path: Path) -> Iterator[tuple[int, Record]]:
    try:
        yield from enumerate(parquet_rows(path), 1)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from error
