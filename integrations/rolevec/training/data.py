"""Streamed readers of training tables, and the shares that languages get."""

from __future__ import annotations

import gzip
import lzma
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO, Literal

Kind = Literal["parallel", "pivot", "lexicon", "retrieval", "paraphrase"]

_SUFFIXES = (".tsv", ".tsv.gz", ".tsv.xz")
_NOT_WORD = re.compile(r"[\W_]+")

# Positions of left text, its language, right text and its language in each table; an integer in
# the last place points at a column, a string is the language itself, None copies the left one.
_COLUMNS: dict[Kind, tuple[int, int, int, int | str | None]] = {
    "parallel": (2, 1, 0, "eng"),
    "lexicon": (2, 1, 0, "eng"),
    "pivot": (0, 1, 2, 3),
    "retrieval": (0, 1, 2, None),
    "paraphrase": (0, 1, 2, None),
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


def open_text(path: Path) -> IO[str]:
    """Open a plain, .gz or .xz file for reading as UTF-8."""
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8", newline="\n")
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="\n")
    return path.open(encoding="utf-8", newline="\n")


def tables(folder: Path, kind: Kind) -> list[Path]:
    """The files of one kind, in order of name: ``kind.tsv`` and ``kind-*.tsv``, maybe packed."""
    found = (p for p in folder.iterdir() if p.name.endswith(_SUFFIXES))
    return sorted(p for p in found if re.split(r"[-.]", p.name)[0] == kind)


def read_pairs(folder: Path, kind: Kind, exclude: Sequence[str] = ()) -> Iterator[Pair]:
    """Stream the pairs of one kind; rows whose source starts with one of ``exclude`` are skipped.

    Raises:
        ValueError: a row has the wrong number of columns; the message names file and line.
    """
    left, left_lang, right, right_lang = _COLUMNS[kind]
    width = 5 if kind == "pivot" else 4
    skipped = tuple(exclude)
    for path in tables(folder, kind):
        with open_text(path) as lines:
            for number, line in enumerate(lines, 1):
                row = line.rstrip("\n").split("\t")
                if len(row) != width:
                    raise ValueError(f"{path.name}:{number}: {len(row)} columns, not {width}")
                if skipped and row[-1].startswith(skipped):
                    continue
                other = row[right_lang] if isinstance(right_lang, int) else right_lang
                yield Pair(row[left], row[left_lang], row[right], other or row[left_lang], row[-1])


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
