"""Keywords of clusters, in the languages of their texts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from rolevec.ranking.clustering.estimators import Labels
from rolevec.ranking.clustering.groups import numbered
from rolevec.ranking.clustering.terms import script_of, terms_of

Ints = npt.NDArray[np.int32]

KEYWORDS = 8
_CANDIDATES = 300
# A term in one text only says something about that text; in fewer texts than this it is all there
# is to say.
_FEW = 40
# What a chosen keyword leaves of the weight of the other terms in its texts.
_LEFT = 0.5
# Two terms are written alike if one begins the other and is at most this much shorter.
_ENDING = 3


def keywords_of(
    texts: Sequence[str],
    labels: Labels,
    count: int,
    groups: Sequence[Hashable] | None = None,
    *,
    most: int = KEYWORDS,
) -> tuple[tuple[str, ...], ...]:
    """Terms that are frequent in a cluster and rare outside it, best first.

    A term's weight is the number of the cluster's texts that have it, times the log of how much
    more of them have it than texts of the same groups elsewhere, times its inverse document
    frequency: class-based tf-idf. Words without meaning are as frequent everywhere, and weigh
    nothing. Each keyword chosen makes the texts that have it count half, so that texts of another
    language, which have none of the words chosen before, bring their own.

    Args:
        texts: n of them.
        labels: the cluster of each text, shape (n,); -1 belongs to none.
        count: number of clusters.
        groups: the group of each text, best its language; None groups by script.
        most: keywords for each.

    Returns:
        ``count`` tuples of up to ``most`` terms, each as it is written most often.
    """
    index = _Index(texts, [script_of(text) for text in texts] if groups is None else groups)
    return tuple(index.keywords(np.flatnonzero(labels == label), most) for label in range(count))


class _Index:
    """Which terms the texts have."""

    def __init__(self, texts: Sequence[str], groups: Sequence[Hashable]) -> None:
        numbers: dict[str, int] = {}
        written: defaultdict[int, Counter[str]] = defaultdict(Counter)
        rows: list[Ints] = [np.empty(0, np.int32)]
        for terms in terms_of(texts):
            ids: set[int] = set()
            for term in sorted(terms):  # a set, whose order differs from process to process
                number = numbers.setdefault(term.casefold(), len(numbers))
                written[number][term] += 1
                ids.add(number)
            rows.append(np.fromiter(sorted(ids), np.int32, len(ids)))
        self._written = written
        self._ids = np.concatenate(rows)
        self._ends = np.cumsum([len(row) for row in rows])
        self._total = np.bincount(self._ids, minlength=len(numbers))
        self._groups = numbered(groups)
        self._sizes = np.bincount(self._groups)

    def _row(self, text: int) -> Ints:
        return self._ids[self._ends[text] : self._ends[text + 1]]

    def keywords(self, members: Labels, most: int) -> tuple[str, ...]:
        """Of the cluster of these texts."""
        rows = [self._row(member) for member in members]
        own = np.bincount(np.concatenate([*rows, self._ids[:0]]), minlength=len(self._total))
        worth = self._worth(own, members)
        candidates = np.argsort(-own * worth, kind="stable")[:_CANDIDATES]
        candidates = candidates[worth[candidates] > 0]
        return self._chosen(candidates, worth, rows, most)

    def _worth(self, own: npt.NDArray[np.intp], members: Labels) -> npt.NDArray[np.float64]:
        """What each of a term's texts counts: 0 for terms that do not tell the cluster apart."""
        if len(members) == len(self._groups):  # nothing to be told from
            lift = np.ones(len(own))
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                lift = np.log(own / self._expected(members))
        rarity = np.log(1 + len(self._groups) / np.maximum(self._total, 1))
        least = 1 if len(members) < _FEW else 2
        return np.where((own >= least) & (lift > 0), lift * rarity, 0.0)

    def _expected(self, members: Labels) -> npt.NDArray[np.float64]:
        """In how many of the members each term would be if only their groups mattered."""
        mix = np.bincount(self._groups[members], minlength=len(self._sizes)) / self._sizes
        weights = np.repeat(mix[self._groups], np.diff(self._ends))
        expected = np.bincount(self._ids, weights, minlength=len(self._total))
        return np.asarray(expected, np.float64)

    def _chosen(
        self,
        candidates: npt.NDArray[np.intp],
        worth: npt.NDArray[np.float64],
        rows: Sequence[Ints],
        most: int,
    ) -> tuple[str, ...]:
        # Of equals the longer says more.
        length = [min(len(self._shown(int(term))), 10) for term in candidates]
        place = {int(term): i for i, term in enumerate(candidates)}
        has = np.zeros((len(candidates), len(rows)), bool)
        for column, row in enumerate(rows):
            has[[place[int(term)] for term in row if int(term) in place], column] = True
        weight, value = np.ones(len(rows)), worth[candidates] * (1 + 1e-4 * np.array(length))
        chosen: list[str] = []
        while len(chosen) < most and value.any():
            best = int(np.argmax(value * (has @ weight)))
            value[best], term = 0.0, self._shown(int(candidates[best]))
            if any(_alike(term, other) for other in chosen):
                continue
            chosen.append(term)
            weight[has[best]] *= _LEFT
        return tuple(chosen)

    def _shown(self, number: int) -> str:
        """A term as it is written most often."""
        written = self._written[number]
        return max(sorted(written), key=lambda form: written[form])


def _alike(term: str, other: str) -> bool:
    short, long = sorted((term.casefold(), other.casefold()), key=len)
    return (
        short in long
        if not short.isascii() and len(short) < 4
        else (long.startswith(short) and len(long) - len(short) <= _ENDING)
    )
