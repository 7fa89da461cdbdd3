"""Readers of evaluation files: retrieval folders, aligned texts, triples, scored pairs."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rolevec.evaluation.content import Bitext, Retrieval, Similarity, Triples
from rolevec.lines import json_lines, open_lines

QRELS = ("qrels.tsv", "qrels/test.tsv")
QRELS_HEADER = ["query-id", "corpus-id", "score"]
TRIPLE_FIELDS = ("language", "anchor", "paraphrase", "near_miss")
PAIR_COLUMNS = ("text_a", "text_b", "score")
TABLES = (".tsv", ".csv")


def find_file(folder: Path, *names: str) -> Path | None:
    """The first of some files that a folder has, plain or with .gz at the end."""
    paths = (folder / f"{name}{packed}" for name in names for packed in ("", ".gz"))
    return next((path for path in paths if path.is_file()), None)


def read_retrieval(folder: Path) -> Retrieval:
    """Read ``corpus.jsonl``, ``queries.jsonl`` and the judgements of a folder in BEIR's format.

    A document's text is its title, a space and its text.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a line has the wrong form, or an id occurs twice; names file and line.
    """
    documents, titles = _texts_by_id(_need(folder, "corpus.jsonl"))
    queries, _ = _texts_by_id(_need(folder, "queries.jsonl"))
    return Retrieval(documents, queries, read_qrels(_need(folder, *QRELS)), titles)


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Read tab-separated judgements under the header ``query-id corpus-id score``.

    Raises:
        ValueError: another header, or a line of another form; names file and line.
    """
    qrels: dict[str, dict[str, int]] = defaultdict(dict)
    with open_lines(path) as lines:
        header = next(lines, "").strip("\r\n").split("\t")
        if header != QRELS_HEADER:
            raise ValueError(
                f"{path}:1: the header is {header}; it must be {' '.join(QRELS_HEADER)}, with tabs"
            )
        for number, line in enumerate(lines, 2):
            if not line.strip():
                continue
            try:
                query, document, score = line.rstrip("\r\n").split("\t")
                qrels[query][document] = int(score)
            except ValueError as error:
                raise ValueError(
                    f"{path}:{number}: not an id, an id and a whole number: {line.rstrip()!r}"
                ) from error
    return dict(qrels)


def read_bitext(other: Path, english: Path) -> Bitext:
    """Read two files whose lines are translations of each other.

    Raises:
        ValueError: they differ in the number of lines.
    """
    left, right = _lines(other), _lines(english)
    if len(left) != len(right):
        raise ValueError(
            f"{other} has {len(left)} lines, {english.name} {len(right)}; line i of one must be"
            " the translation of line i of the other"
        )
    return Bitext(left, right)


def read_triples(path: Path) -> dict[str, Triples]:
    """Read a .jsonl file with ``language``, ``anchor``, ``paraphrase`` and ``near_miss``.

    Raises:
        ValueError: a line has the wrong form; names file and line.
    """
    columns: dict[str, tuple[list[str], ...]] = defaultdict(lambda: ([], [], []))
    for number, fields in json_lines(path):
        where = f"{path}:{number}"
        language, *texts = (_text(fields, name, where) for name in TRIPLE_FIELDS)
        for column, text in zip(columns[language], texts, strict=True):
            column.append(text)
    return {language: Triples(*found) for language, found in sorted(columns.items())}


def read_similarity(path: Path) -> dict[str, Similarity]:
    """Read a .tsv or .csv file with the columns ``text_a``, ``text_b``, ``score``, perhaps
    ``language``. A .tsv file knows no quotation marks but those of its texts.

    Raises:
        ValueError: a row lacks a column, or its score is no number; names file and line.
    """
    columns: dict[str, tuple[list[Any], ...]] = defaultdict(lambda: ([], [], []))
    with open_lines(path) as lines:
        rows = csv.DictReader(lines, **_dialect(path))
        for row in rows:
            where = f"{path}:{rows.line_num}"
            left, right, score = (_text(row, name, where) for name in PAIR_COLUMNS)
            try:
                pair = (left, right, float(score))
            except ValueError as error:
                raise ValueError(f"{where}: the score {score!r} is no number") from error
            for column, value in zip(columns[row.get("language") or ""], pair, strict=True):
                column.append(value)
    return {language: Similarity(*found) for language, found in sorted(columns.items())}


def first_fields(path: Path) -> set[str]:
    """Names of the fields of a .jsonl file's first line, or of a table's columns; none if it is
    neither."""
    try:
        with open_lines(path) as lines:
            line = lines.readline()
            if path.suffix in TABLES:
                return set(next(csv.reader([line], **_dialect(path)), []))
            fields = json.loads(line)
    except ValueError:  # not JSON, or not UTF-8
        return set()
    return set(fields) if isinstance(fields, dict) else set()


def _lines(path: Path) -> list[str]:
    with open_lines(path) as lines:
        return [line.rstrip("\r\n") for line in lines]


def _need(folder: Path, *names: str) -> Path:
    found = find_file(folder, *names)
    if found is None:
        raise FileNotFoundError(f"{folder} has no {' and no '.join(names)}")
    return found


def _texts_by_id(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Texts, each after its title, and the titles there are."""
    texts: dict[str, str] = {}
    titles: dict[str, str] = {}
    for number, fields in json_lines(path):
        where = f"{path}:{number}"
        if "_id" not in fields:
            raise ValueError(f"{where}: it has no _id; it has {', '.join(fields) or 'nothing'}")
        identifier = str(fields["_id"])
        if identifier in texts:
            raise ValueError(f"{where}: the _id {identifier!r} occurs twice")
        title = str(fields.get("title") or "").strip()
        texts[identifier] = f"{title} {_text(fields, 'text', where)}".strip()
        if title:
            titles[identifier] = title
    return texts, titles


def _dialect(path: Path) -> dict[str, Any]:
    # A mark at the start of an unquoted text would swallow all rows up to the next one.
    return {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if path.suffix == ".tsv" else {}


def _text(fields: Mapping[str, Any], name: str, where: str) -> str:
    text = fields.get(name)
    if not isinstance(text, str):
        raise ValueError(f"{where}: it has no text under {name!r}; it has {', '.join(fields)}")
    return text
