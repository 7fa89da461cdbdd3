"""A query, its answer and what only looks like one; kept as JSON, one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rolevec.training.data import open_text


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
    """Stream a file (plain, .gz or .xz) of objects with "query", "positive" and maybe "negatives".

    Raises:
        ValueError: a line is no such object; the message names file and line.
    """
    with open_text(path) as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield _row(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{path.name}:{number}: {error!r}") from error


def _row(value: dict[str, object]) -> HardNegatives:
    texts = [value["query"], value["positive"]]
    negatives, scores = value.get("negatives") or [], value.get("scores") or ()
    if not isinstance(negatives, list) or not isinstance(scores, list | tuple):
        raise TypeError("negatives and scores are lists")
    if not all(isinstance(text, str) for text in (*texts, *negatives)):
        raise TypeError("query, positive and negatives are strings")
    query, positive = map(str, texts)
    return HardNegatives(query, positive, tuple(negatives), tuple(map(float, scores)))
