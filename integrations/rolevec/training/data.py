"""Streamed readers of training tables, and the shares that languages get."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from rolevec.training.records import SUFFIXES, Record, read_records

Kind = Literal["parallel", "pivot", "lexicon", "retrieval", "paraphrase"]

_NOT_WORD = re.compile(r"[\W_]+")

# The columns of each table, which are the fields where rows have names.
_ENGLISH = ("english", "language", "text", "source")
_COLUMNS: dict[Kind, tuple[str, ...]] = {
    "parallel": _ENGLISH,
    "lexicon": _ENGLISH,
    "pivot": ("left", "left_language", "right", "right_language", "source"),
    "retrieval": ("query", "language", "passage", "source"),
    "paraphrase": ("left", "language", "right", "source"),
}
# Positions of left text, its language, right text and its language in each table; a string is the
# language itself.
_PLACES: dict[Kind, tuple[int, int, int, int | str]] = {
    "parallel": (2, 1, 0, "eng"),
    "lexicon": (2, 1, 0, "eng"),
    "pivot": (0, 1, 2, 3),
    "retrieval": (0, 1, 2, 1),
    "paraphrase": (0, 1, 2, 1),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts that belong together.

    In parallel and lexicon tables the English text is on the right; in retrieval tables the
    question is on the left and the passage on the right.
    """

    left: str
    left_lang: str
    right: str
    right_lang: str
    source: str


def tables(folder: Path, kind: Kind) -> list[Path]:
    """The files of one kind, in order of name: ``kind.tsv``, ``kind-*.jsonl.xz`` and so on."""
    found = (p for p in folder.iterdir() if p.name.endswith(SUFFIXES))
    return sorted(p for p in found if re.split(r"[-.]", p.name)[0] == kind)


def read_pairs(folder: Path, kind: Kind, exclude: Sequence[str] = ()) -> Iterator[Pair]:
    """Stream the pairs of one kind; rows whose source starts with one of ``exclude`` are skipped.

    The columns of a TSV file, which has no header, are the fields of JSON lines and of Parquet:
    "english", "language", "text", "source" of parallel and lexicon tables, "left",
    "left_language", "right", "right_language", "source" of pivots, "query", "language", "passage",
    "source" of retrieval, "left", "language", "right", "source" of paraphrases.

    Raises:
        ValueError: a row has other columns; the message names file and line.
        MissingExtra: Parquet without ``pyarrow``.
    """
    left, left_lang, right, right_lang = _PLACES[kind]
    skipped = tuple(exclude)
    for path in tables(folder, kind):
        for number, record in read_records(path):
            row = _columns(record, _COLUMNS[kind], f"{path.name}:{number}")
            if skipped and row[-1].startswith(skipped):
                continue
            other = row[right_lang] if isinstance(right_lang, int) else right_lang
            yield Pair(row[left], row[left_lang], row[right], other, row[-1])


def _columns(record: Record, names: tuple[str, ...], where: str) -> Sequence[str]:
    if isinstance(record, Mapping):
        values = [record.get(name) for name in names]
        if wrong := [n for n, v in zip(names, values, strict=True) if not isinstance(v, str)]:
            raise ValueError(f"{where}: no text under {', '.join(wrong)}")
        return [str(value) for value in values]
    if len(record) != len(names):
        raise ValueError(f"{where}: {len(record)} columns, not {len(names)}: {', '.join(names)}")
    return record


def text_key(text: str) -> int:
    """A 63-bit number that is equal for texts equal up to case, punctuation and space."""
    plain = _NOT_WORD.sub("", text).casefold() or text
    return int.from_bytes(blake2b(plain.encode(), digest_size=8).digest(), "big") >> 1


def language_shares(counts: Mapping[str, float], temperature: float) -> dict[str, float]:
    """Shares that sum to 1, each proportional to count ** temperature."""
    powers = {lang: count**temperature for lang, count in counts.items() if count > 0}
    total = sum(powers.values())
    return {lang: power / total for lang, power in powers.items()}


def source_weight(source: str, weights: Mapping[str, float]) -> float:
    """The weight under the longest prefix that fits ``source``, else 1."""
    fitting = [prefix for prefix in weights if source.startswith(prefix)]
    return weights[max(fitting, key=len)] if fitting else 1.0


def texts_by_language(pairs: Iterable[Pair]) -> Iterator[tuple[str, str, str]]:
    """Both sides of every pair as (language, text, source), a text repeated in sequence once."""
    last = ""
    for pair in pairs:
        yield pair.left_lang, pair.left, pair.source
        if pair.right != last:
            yield pair.right_lang, pair.right, pair.source
            last = pair.right
