"""Files as documents: text, Markdown, JSON lines, CSV, TSV, Parquet, alone or in folders."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from rolevec.documents import Document
from rolevec.errors import InvalidDocument, RolevecError
from rolevec.indexing.ledger import LEDGER
from rolevec.parquet import parquet_count, parquet_rows
from rolevec.qdrant.adding import identify_all

SOURCE = "source"

_WHOLE = ("text", "id")
# A field of a CSV file may be a whole article; the module's own limit is 128 KiB.
_LONGEST_FIELD = 1 << 30


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that is no document.

    Attributes:
        where: file, and line where there are several records in one.
        reason: what is wrong with it.
        record: the record, as far as it could be read.
        id: the id it has, if it has one.
        readable: False if it may have had an id that nobody could read.
    """

    where: str
    reason: str
    record: Any = None
    id: str | None = None
    readable: bool = True


OnReject: TypeAlias = Callable[[Rejected], None]


@dataclass(frozen=True, slots=True)
class FileCorpus:
    """The documents in a file, or in all files below a folder, read one by one.

    A ``.txt`` or ``.md`` file is one document, whose id is its path below ``path``, so that a file
    changed since replaces its old self. A line of a ``.jsonl`` file and a row of a ``.csv`` or
    ``.tsv`` file (with a header) or of a ``.parquet`` file is one document: ``text_field`` is its
    text, ``id_field`` its id (derived from the content where missing), a mapping under "metadata"
    and all other fields are its metadata. Each document's metadata name its file under "source".
    Hidden files and folders, and those of a store, are passed over. Files are UTF-8, with or
    without a byte order mark.

    Args:
        path: a file or a folder.
        text_field: field that holds the text.
        id_field: field that holds the id.
        on_reject: told of records that are no documents, which are then left out; None raises.

    Raises:
        FileNotFoundError: nothing is there.
        RolevecError: there is no file of a known kind.
        InvalidDocument: on reading, a record that is no document, if ``on_reject`` is None.
        MissingExtra: on reading, a Parquet file without ``pyarrow``.
    """

    path: Path
    text_field: str = "text"
    id_field: str = "id"
    on_reject: OnReject | None = None

    def __post_init__(self) -> None:
        if not self.path.exists():
            raise FileNotFoundError(f"there is nothing at {self.path}")
        if not self.files():
            raise RolevecError(
                f"{self.path}: no files to read; known kinds are {', '.join(sorted(_READERS))}"
            )

    def files(self) -> list[Path]:
        """The files that are read, in order."""
        if self.path.is_file():
            return [self.path] if self.path.suffix.lower() in _READERS else []
        found = []
        for folder, folders, names in os.walk(self.path):
            if LEDGER in names:  # a store inside the folder, with rejects of an earlier run
                folders.clear()
                continue
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            paths = (Path(folder, name) for name in names if not name.startswith("."))
            found += [path for path in paths if path.suffix.lower() in _READERS]
        return sorted(found)

    def __iter__(self) -> Iterator[Document]:
        for file in self.files():
            name = file.name if file == self.path else file.relative_to(self.path).as_posix()
            for record in _READERS[file.suffix.lower()](file, name):
                try:
                    yield self._document(record, name)
                except (RolevecError, ValueError) as error:
                    self._reject(self._rejected(record, str(error)))

    def __length_hint__(self) -> int:
        """Number of records, for a progress bar; the files are read through once."""
        return sum(_count(file) for file in self.files())

    def _document(self, record: _Record, source: str) -> Document:
        if record.error:
            raise InvalidDocument(record.error)
        fields = dict(record.fields)
        text_field, id_field = _WHOLE if record.whole else (self.text_field, self.id_field)
        if not isinstance(fields.get(text_field), str):
            raise InvalidDocument(
                f"it has no text under {text_field!r}; it has {', '.join(fields) or 'nothing'}"
            )
        text, identifier = fields.pop(text_field), fields.pop(id_field, None)
        nested = fields.pop("metadata", None) or {}
        if not isinstance(nested, Mapping):
            raise InvalidDocument(f"its metadata is a {type(nested).__name__}, not a mapping")
        metadata = {SOURCE: source, **nested, **fields}
        identifier = None if identifier in (None, "") else str(identifier)
        try:
            return identify_all([Document(text, identifier, metadata)])[0]
        except RolevecError as error:
            raise type(error)(str(error).removeprefix("document 0: ")) from error

    def _rejected(self, record: _Record, reason: str) -> Rejected:
        identifier = record.fields.get(_WHOLE[1] if record.whole else self.id_field)
        identifier = None if identifier in (None, "") else str(identifier)
        shown = record.fields or record.raw
        # A record that could not be taken apart may have had any id.
        readable = identifier is not None or not record.error
        return Rejected(record.where, reason, shown, identifier, readable)

    def _reject(self, rejected: Rejected) -> None:
        if self.on_reject is None:
            raise InvalidDocument(f"{rejected.where}: {rejected.reason}")
        self.on_reject(rejected)


@dataclass(frozen=True, slots=True)
class _Record:
    """Fields as they stand in the file, or why they could not be read."""

    where: str
    fields: Mapping[str, Any]
    error: str = ""
    whole: bool = False
    raw: Any = None


def _whole(file: Path, name: str) -> Iterator[_Record]:
    try:
        content = file.read_text(encoding="utf-8-sig")
        yield _Record(name, dict(zip(_WHOLE, (content, name), strict=True)), whole=True)
    except (OSError, UnicodeDecodeError) as error:
        yield _Record(name, {"id": name}, f"cannot be read: {error}", whole=True)


def _json_lines(file: Path, name: str) -> Iterator[_Record]:
    # As bytes, so that one line that is not UTF-8 costs that line only.
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            where = f"{name}:{number}"
            try:
                fields = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except (ValueError, RecursionError) as error:
                text = line.decode("utf-8", "backslashreplace")
                yield _Record(where, {}, f"it is not JSON: {error}", raw=text)
                continue
            if isinstance(fields, dict):
                yield _Record(where, fields)
            else:
                reason = f"it is a {type(fields).__name__}, not a JSON object"
                yield _Record(where, {}, reason, raw=fields)


def _rows(file: Path, name: str) -> Iterator[_Record]:
    csv.field_size_limit(_LONGEST_FIELD)
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines, delimiter=_delimiter(file))
        try:
            for row in rows:
                where = f"{name}:{rows.line_num}"
                # The reader's marks for too many fields and too few.
                if None in row or None in row.values():
                    reason = "it has another number of columns than the header"
                    yield _Record(where, {}, reason, raw=list(row.values()))
                else:
                    # A column without a name is the row number that pandas writes.
                    yield _Record(where, {key: value for key, value in row.items() if key})
        except (csv.Error, UnicodeDecodeError) as error:
            # The reader cannot tell where the next row starts.
            where = f"{name}:{rows.line_num + 1}"
            yield _Record(where, {}, f"cannot be read from here on: {error}")


def _parquet(file: Path, name: str) -> Iterator[_Record]:
    number = 0
    try:
        for number, row in enumerate(parquet_rows(file), 1):
            yield _Record(f"{name}:{number}", row)
    except (ValueError, OSError) as error:
        yield _Record(f"{name}:{number + 1}", {}, f"cannot be read from here on: {error}")


def _delimiter(file: Path) -> str:
    return "\t" if file.suffix.lower() == ".tsv" else ","


def _count(file: Path) -> int:
    kind = file.suffix.lower()
    if _READERS[kind] is _whole:
        return 1
    if _READERS[kind] is _parquet:
        return parquet_count(file)
    if _READERS[kind] is _json_lines:
        with file.open("rb") as lines:
            return sum(1 for line in lines if line.strip())
    csv.field_size_limit(_LONGEST_FIELD)
    with file.open(encoding="utf-8", errors="replace", newline="") as lines:
        return max(0, sum(1 for row in csv.reader(lines, delimiter=_delimiter(file)) if row) - 1)


_READERS: dict[str, Callable[[Path, str], Iterator[_Record]]] = {
    ".txt": _whole,
    ".md": _whole,
    ".markdown": _whole,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".csv": _rows,
    ".tsv": _rows,
    ".parquet": _parquet,
}
