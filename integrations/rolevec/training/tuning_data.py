"""One's own pairs: which queries have which answers, and which of them are kept apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rolevec.training.data import text_key
from rolevec.training.hard import HardNegatives, read_hard_negatives
from rolevec.training.records import SUFFIXES

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Judged:
    """Queries, documents, and what is known of them.

    Attributes:
        queries: distinct up to case, punctuation and space; so are ``documents``.
        answers: of each query, positions in ``documents``, ascending.
        negatives: of each query, likewise, the hardest first; none is an answer to it.
    """

    queries: list[str]
    documents: list[str]
    answers: list[tuple[int, ...]]
    negatives: list[tuple[int, ...]]

    def split(self, held_out: int, seed: int) -> tuple[Ints, Ints]:
        """Positions of the queries to train on and of those kept apart, one in ``held_out``.

        Queries that share an answer stay on one side, so that no answer of the held-out ones was
        trained on; unless that ties more than half of all queries together, as it does where a
        document answers many: then every query is by itself.

        Raises:
            ValueError: there are too few queries for both sides.
        """
        groups = self._groups()
        order = np.random.default_rng(seed).permutation(groups.max(initial=0) + 1)
        wanted = max(1, len(self.queries) // held_out)
        sizes = np.cumsum(np.bincount(groups)[order])
        apart = np.isin(groups, order[: int(np.searchsorted(sizes, wanted)) + 1])
        if apart.all() or not len(groups):
            raise ValueError(
                f"{len(self.queries)} different queries are too few to keep some apart"
            )
        return np.flatnonzero(~apart), np.flatnonzero(apart)

    def _groups(self) -> Ints:
        """The number of each query's group."""
        parents = list(range(len(self.queries)))

        def root(one: int) -> int:
            while parents[one] != one:
                parents[one] = one = parents[parents[one]]
            return one

        first: dict[int, int] = {}
        for query, answers in enumerate(self.answers):
            for answer in answers:
                parents[root(query)] = root(first.setdefault(answer, query))
        roots = np.array([root(query) for query in range(len(parents))], np.int64)
        groups = np.unique(roots, return_inverse=True)[1].astype(np.int64)
        if 2 * np.bincount(groups, minlength=1).max() > len(groups):
            return np.arange(len(groups), dtype=np.int64)
        return groups


def read_judged(data: Path) -> Judged:
    """Read a file of pairs, or all of a folder.

    Raises:
        FileNotFoundError: there is no such file, or none in the folder.
        ValueError: a line is no pair; the message names file and line.
    """
    return judged(read_rows(data))


def read_rows(data: Path) -> Iterator[HardNegatives]:
    """Stream the pairs of a file, or of all files of a folder, by name; as `read_judged`."""
    files = [data]
    if data.is_dir():
        files = sorted(path for path in data.iterdir() if path.name.endswith(SUFFIXES))
    if not files:
        raise FileNotFoundError(f"{data} holds no file of pairs ({', '.join(SUFFIXES)})")
    for path in files:
        yield from read_hard_negatives(path)


def judged(rows: Iterable[HardNegatives]) -> Judged:
    """Bring together what the rows say of each query."""
    queries, documents = _Numbers(), _Numbers()
    answers: list[set[int]] = []
    negatives: list[dict[int, None]] = []
    for row in rows:
        query = queries.of(row.query)
        if query == len(answers):
            answers.append(set())
            negatives.append({})
        answers[query].add(documents.of(row.positive))
        negatives[query] |= dict.fromkeys(map(documents.of, row.negatives))
    return Judged(
        queries.texts,
        documents.texts,
        [tuple(sorted(found)) for found in answers],
        [
            tuple(n for n in found if n not in known)
            for found, known in zip(negatives, answers, strict=True)
        ],
    )


class _Numbers:
    """Numbers texts, those alike up to case, punctuation and space as one."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._known: dict[int, int] = {}

    def of(self, text: str) -> int:
        number = self._known.setdefault(text_key(text), len(self.texts))
        if number == len(self.texts):
            self.texts.append(text)
        return number


def ndcg(scores: npt.NDArray[np.float32], answers: list[tuple[int, ...]], k: int = 10) -> float:
    """Mean nDCG@k, every answer worth the same.

    Järvelin, Kekäläinen, "Cumulated gain-based evaluation of IR techniques" (2002).

    Args:
        scores: of each query and document, shape (queries, documents).
        answers: of each query, columns of ``scores``.
        k: ranks that count.
    """
    gains = 1 / np.log2(np.arange(2, k + 2))
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    found = [
        gains[: len(row)][np.isin(row, known)].sum() / gains[: min(k, len(known))].sum()
        for row, known in zip(order, answers, strict=True)
    ]
    return float(np.mean(found))
