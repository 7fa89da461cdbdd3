"""Rows of training tables: TSV, JSON lines or Parquet, plain or compressed, read as a stream."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, TypeAlias

from rolevec.parquet import parquet_rows

_TSV, _JSON, _PARQUET = ".tsv", ".jsonl", ".parquet"
SUFFIXES = (*(kind + packing for kind in (_TSV, _JSON) for packing in ("", ".gz", ".xz")), _PARQUET)

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
    in_columns = path.name.endswith(tuple(s for s in SUFFIXES if s.startswith(_TSV)))
    with _opened(path) as lines:
        for number, line in enumerate(lines, 1):
            if in_columns:
                yield number, line.rstrip("\n").split("\t")
            elif line.strip():
                yield number, _object(line, f"{path.name}:{number}")


def _parquet(path: Path) -> Iterator[tuple[int, Record]]:
    try:
        yield from enumerate(parquet_rows(path), 1)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from error


def _object(line: str, where: str) -> Mapping[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{where}: {error!r}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{where}: a {type(value).__name__}, not an object")
    return value


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8", newline="\n")
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="\n")
    return path.open(encoding="utf-8", newline="\n")
