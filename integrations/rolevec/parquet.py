"""Parquet files, read a few hundred rows at a time."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

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


def _table_of(columns: Mapping[str, Any]) -> Any:
    """An Arrow table of some columns; a matrix becomes a column of lists of one size."""
    try:
        import pyarrow  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtra("pyarrow", "parquet") from error

    def column(values: Any) -> Any:
        if not isinstance(values, np.ndarray):
            return pyarrow.array(values)
        flat = pyarrow.array(np.ascontiguousarray(values).ravel())
        return pyarrow.FixedSizeListArray.from_arrays(flat, values.shape[1])

    return pyarrow.table({name: column(values) for name, values in columns.items()})


def write_table(file: Path, columns: Mapping[str, Any], notes: Mapping[str, str]) -> None:
    """Write columns in one step: a kill leaves the file whole, or as it was.

    Args:
        file: replaced if it is there; its folder must be.
        columns: name -> list, or matrix (n, dim).
        notes: kept in the schema's metadata.

    Raises:
        MissingExtra: ``pyarrow`` is not installed.
    """
    table = _table_of(columns).replace_schema_metadata(dict(notes))
    # Of its own: two processes may write the same file at once.
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    with part.open("wb") as opened:
        _pyarrow().write_table(table, opened, compression="zstd")
        opened.flush()
        os.fsync(opened.fileno())
    part.replace(file)


def read_notes(file: Path) -> dict[str, str]:
    """What `write_table` noted in a file; empty if nobody did.

    Raises:
        ValueError, OSError: the file is damaged or no Parquet.
    """
    notes = _pyarrow().read_schema(file).metadata or {}
    return {name.decode(): value.decode() for name, value in notes.items()}


def read_table(file: Path, matrix: str) -> tuple[dict[str, list[Any]], npt.NDArray[np.float32]]:
    """The columns of a file as lists, and the one named ``matrix`` as float32 rows (n, dim).

    Raises:
        ValueError, OSError, KeyError: the file is damaged or no Parquet, or has no such column.
    """
    table = _pyarrow().read_table(file)
    lists = table.column(matrix).combine_chunks()
    rows = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    columns = {
        name: table.column(name).to_pylist() for name in table.column_names if name != matrix
    }
    return columns, rows.reshape(table.num_rows, -1)


def _pyarrow() -> Any:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "parquet") from error
    return parquet


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return value
