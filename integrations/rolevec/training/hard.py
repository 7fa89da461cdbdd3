"""A query, its answer and what only looks like one; written as JSON, one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rolevec.training.records import Record, read_records


@dataclass(frozen=True, slots=True)
class HardNegatives:
    """A pair with negatives.

    Attributes:
        query: what is asked.
        positive: a text that answers it.
        negatives: texts that do not, the hardest first.
        scores: cosine of the query and each negative; empty where unknown.
    """

    query: str
    positive: str
    negatives: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()


def write_hard_negatives(path: Path, rows: Iterable[HardNegatives]) -> int:
    """Write rows as they come, and give their number; the file appears when it is whole."""
    part = path.with_name(path.name + ".part")
    count = 0
    with part.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
            count += 1
    part.replace(path)
    return count


def read_hard_negatives(path: Path) -> Iterator[HardNegatives]:
    """Stream a file of rows with "query", "positive" and maybe "negatives".

    JSON lines or Parquet; in a TSV file the columns are the query, its answer and then the
    negatives, as many as there are.

    Raises:
        ValueError: a row is no such thing; the message names file and line.
        MissingExtra: Parquet without ``pyarrow``.
    """
    for number, record in read_records(path):
        try:
            yield _row(record)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path.name}:{number}: {error!r}") from error


def _row(record: Record) -> HardNegatives:
    if not isinstance(record, Mapping):
        query, positive, *rest = record
        return HardNegatives(query, positive, tuple(rest))
    texts = [record["query"], record["positive"]]
    negatives, scores = record.get("negatives") or [], record.get("scores") or ()
    if not isinstance(negatives, list) or not isinstance(scores, list | tuple):
        raise TypeError("negatives and scores are lists")
    if not all(isinstance(text, str) for text in (*texts, *negatives)):
        raise TypeError("query, positive and negatives are strings")
    query, positive = map(str, texts)
    return HardNegatives(query, positive, tuple(negatives), tuple(map(float, scores)))
