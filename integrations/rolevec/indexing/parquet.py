"""Parquet files, read a few hundred rows at a time."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rolevec.errors import MissingExtra

_ROWS = 256


def parquet_rows(file: Path) -> Iterator[dict[str, Any]]:
    """Rows as mappings; dates and times as ISO 8601 strings, empty fields left out.

    Raises:
        MissingExtra: ``pyarrow`` is not installed.
        ValueError: the file is damaged or no Parquet.
    """
    parquet = _pyarrow()
    with parquet.ParquetFile(file) as opened:
        for batch in opened.iter_batches(batch_size=_ROWS):
            for row in batch.to_pylist():
                yield {name: _plain(v) for name, v in row.items() if v is not None}


def parquet_count(file: Path) -> int:
    """Number of rows, from the file's footer."""
    try:
        with _pyarrow().ParquetFile(file) as opened:
            return int(opened.metadata.num_rows)
    except (ValueError, OSError):
        return 0


def _pyarrow() -> Any:
    try:
        from pyarrow import parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtra("pyarrow", "parquet") from error
    return parquet


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return value
