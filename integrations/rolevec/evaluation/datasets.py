"""Data sets on disk: what a folder holds, found by the form of its files."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from rolevec.errors import RolevecError
from rolevec.evaluation.content import Bitext, Retrieval, Similarity, Triples
from rolevec.evaluation.reading import (
    PAIR_COLUMNS,
    QRELS,
    TABLES,
    TRIPLE_FIELDS,
    find_file,
    first_fields,
    read_bitext,
    read_retrieval,
    read_similarity,
    read_triples,
)

C = TypeVar("C", Retrieval, Bitext, Triples, Similarity)
Parts: TypeAlias = Mapping[str, Callable[[], C]]

# "xquad-de", "miracl-zho", "wiki-zho-Hans"
_LANGUAGE = re.compile(r"(?P<family>.+)-(?P<language>[a-z]{2,3}(-[A-Z][a-z]{3})?)")
# "tatoeba.deu-eng.deu" beside "tatoeba.deu-eng.eng"
_ALIGNED = re.compile(r"(?P<prefix>.+)\.(?P<language>[\w-]+)-eng\.(?P=language)")


@dataclass(frozen=True, slots=True)
class Dataset(Generic[C]):
    """A data set of one task in one or more languages, read when it is its turn.

    Attributes:
        name: what reports call it.
        kind: `Retrieval`, `Bitext`, `Triples` or `Similarity`.
        parts: language -> a function that reads its content; "" where no language is named.
    """

    name: str
    kind: type[C]
    parts: Parts[C]

    @classmethod
    def of(cls, name: str, content: C, language: str = "") -> Dataset[C]:
        """A data set in one language, of what is in memory already."""
        return cls(name, type(content), {language: lambda: content})


def find_datasets(path: str | Path) -> list[Dataset[Any]]:
    """The data sets that a folder is, or holds at any depth; hidden files are passed over.

    A folder with ``corpus.jsonl``, ``queries.jsonl`` and ``qrels.tsv`` or ``qrels/test.tsv`` is a
    retrieval set (BEIR's format); neighbours named ``FAMILY-LANGUAGE`` are one set in several
    languages. Files ``PREFIX.xxx-eng.xxx`` and ``PREFIX.xxx-eng.eng`` are bitext (as LASER's
    Tatoeba test), .jsonl files with ``language``, ``anchor``, ``paraphrase`` and ``near_miss`` are
    triples, .tsv and .csv files with ``text_a``, ``text_b``, ``score`` are scored pairs.

    Args:
        path: a folder, or a file of triples or scored pairs.

    Returns:
        Data sets in order of name, which is the path below ``path``.

    Raises:
        FileNotFoundError: nothing is there.
        RolevecError: there is no data set of a known form.
    """
    root = Path(path)
    if not root.exists():
        raise FileNotFoundError(f"there is nothing at {root}")
    folders = _retrieval_folders(root)
    found = [*_families(root, folders), *_file_sets(root, _files(root, set(folders)))]
    if not found:
        raise RolevecError(
            f"{root}: no data set found; known forms are folders with corpus.jsonl, queries.jsonl"
            f" and {' or '.join(QRELS)}, files PREFIX.xxx-eng.xxx beside PREFIX.xxx-eng.eng,"
            f" .jsonl with {', '.join(TRIPLE_FIELDS)}, .tsv or .csv with {', '.join(PAIR_COLUMNS)}"
        )
    return sorted(found, key=lambda dataset: dataset.name)


def _retrieval_folders(root: Path) -> list[Path]:
    folders = (Path(folder) for folder, _, _ in _walk(root))
    needed = (("corpus.jsonl",), ("queries.jsonl",), QRELS)
    return [f for f in folders if all(find_file(f, *names) for names in needed)]


def _files(root: Path, taken: set[Path]) -> list[Path]:
    """Files outside of retrieval folders."""
    if root.is_file():
        return [root]
    return [
        Path(folder, name)
        for folder, _, names in _walk(root)
        if not {Path(folder), *Path(folder).parents} & taken
        for name in names
    ]


def _walk(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield folder, folders, sorted(name for name in names if not name.startswith("."))


def _families(root: Path, folders: list[Path]) -> Iterator[Dataset[Retrieval]]:
    """Neighbours that differ in the language only are one data set; any other is its own."""
    families: dict[Path, dict[str, Path]] = defaultdict(dict)
    for folder in folders:
        match = _LANGUAGE.fullmatch(folder.name)
        if match:
            families[folder.parent / match["family"]][match["language"]] = folder
        else:
            families[folder][""] = folder
    for family, members in families.items():
        alone = len(members) == 1
        name = _name(root, next(iter(members.values())) if alone else family)
        yield Dataset(
            name, Retrieval, {lang: partial(read_retrieval, at) for lang, at in members.items()}
        )


def _file_sets(root: Path, files: list[Path]) -> Iterator[Dataset[Any]]:
    bitexts: dict[Path, dict[str, Callable[[], Bitext]]] = defaultdict(dict)
    for file in files:
        match = _ALIGNED.fullmatch(file.name)
        if match:
            english = file.with_suffix(".eng")
            # Read when it is its turn; a missing partner should be known before any encoding.
            if not english.is_file():
                raise FileNotFoundError(f"{file} has no partner {english.name}")
            aligned = partial(read_bitext, file, english)
            bitexts[file.parent / match["prefix"]][match["language"]] = aligned
        elif file.suffix == ".jsonl" and first_fields(file) >= set(TRIPLE_FIELDS):
            yield _eager(_name(root, file), Triples, read_triples(file))
        elif file.suffix in TABLES and first_fields(file) >= set(PAIR_COLUMNS):
            yield _eager(_name(root, file), Similarity, read_similarity(file))
    for prefix, parts in bitexts.items():
        yield Dataset(_name(root, prefix), Bitext, parts)


def _eager(name: str, kind: type[C], contents: Mapping[str, C]) -> Dataset[C]:
    """Of small files, whose languages are not known without reading them."""
    return Dataset(name, kind, {lang: partial(_same, found) for lang, found in contents.items()})


def _same(content: C) -> C:
    return content


def _name(root: Path, path: Path) -> str:
    below = path.relative_to(root if root.is_dir() else root.parent)
    return below.as_posix() if below.parts else path.resolve().name
