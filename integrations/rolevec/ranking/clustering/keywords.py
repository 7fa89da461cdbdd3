"""Keywords of clusters, in the languages of their texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from rolevec.ranking.clustering.estimators import Labels
from rolevec.ranking.clustering.groups import numbered
from rolevec.ranking.clustering.terms import script_of, terms_of
from rolevec.scripts import is_unspaced

Ints = npt.NDArray[np.int32]

KEYWORDS = 8
# Texts looked at; of more a sample is.
_SAMPLE = 20_000
# Terms of each group that are weighed against each other.
_CANDIDATES = 80
# A character that this share of the texts of its script has, and a cluster not much more often, is
# not what a word begins or ends with.
_COMMON = 0.2
_NO_MORE = 1.3
# A longer term that nearly as many texts have is the word that the shorter is a part of.
_AS_MANY = 0.7
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
    nothing. The texts are counted group by group, and each keyword chosen makes those that have it
    and those of its group count half, so that every language of a cluster brings its own.

    Args:
        texts: n of them.
        labels: the cluster of each text, shape (n,); -1 belongs to none.
        count: number of clusters.
        groups: the group of each text, best its language; None groups by script.
        most: keywords for each.

    Returns:
        ``count`` tuples of up to ``most`` terms, each as it is written most often.
    """
    if len(texts) > _SAMPLE:
        some = np.sort(np.random.default_rng(0).choice(len(texts), _SAMPLE, replace=False))
        texts, labels = [texts[row] for row in some], labels[some]
        groups = None if groups is None else [groups[row] for row in some]
    index = _Index(texts, [script_of(text) for text in texts] if groups is None else groups)
    return tuple(index.keywords(np.flatnonzero(labels == label), most) for label in range(count))


class _Index:
    """Which terms the texts have."""

    def __init__(self, texts: Sequence[str], groups: Sequence[Hashable]) -> None:
        numbers: dict[str, int] = {}
        written: Counter[str] = Counter()
        rows: list[Ints] = [np.empty(0, np.int32)]
        for terms in terms_of(texts):
            # A set's order differs from process to process; the numbers decide between equals.
            ids = {numbers.setdefault(term.casefold(), len(numbers)) for term in sorted(terms)}
            written.update(term for term in terms if term != term.casefold())
            rows.append(np.fromiter(sorted(ids), np.int32, len(ids)))
        self._terms = list(numbers)
        self._numbers = numbers
        self._forms = _best_forms(written)
        self._ids = np.concatenate(rows)
        self._ends = np.cumsum([len(row) for row in rows])
        self._total = np.bincount(self._ids, minlength=len(numbers))
        self._groups = numbered(groups)
        self._sizes = np.bincount(self._groups)

    def _row(self, text: int) -> Ints:
        return self._ids[self._ends[text] : self._ends[text + 1]]

    def _counts(self, members: Labels) -> npt.NDArray[np.intp]:
        """How many of these texts have each term."""
        rows = [self._row(member) for member in members]
        return np.bincount(np.concatenate([*rows, self._ids[:0]]), minlength=len(self._total))

    def keywords(self, members: Labels, most: int) -> tuple[str, ...]:
        """Of the cluster of these texts."""
        own = self._counts(members)
        lift = self._lift(own, members)
        worth = self._worth(own, lift, len(members))
        found: list[npt.NDArray[np.intp]] = [np.empty(0, np.intp)]
        for group in np.unique(self._groups[members]):
            value = worth * self._counts(members[self._groups[members] == group])
            best = np.argsort(-value, kind="stable")[:_CANDIDATES]
            found.append(best[value[best] > 0])
        candidates = np.unique(np.concatenate(found))
        edges = self._edges(lift)
        kept = [i for i in candidates if not _cut(self._terms[i], edges)]
        return self._chosen(np.array(kept, np.intp), worth, members, most)

    def _lift(self, own: npt.NDArray[np.intp], members: Labels) -> npt.NDArray[np.float64]:
        """How many times more of the members have each term than if only their groups mattered."""
        if len(members) == len(self._groups):  # nothing to be told from
            return np.full(len(own), np.e)
        here = np.bincount(self._groups[members], minlength=len(self._sizes))
        # A group that is all here has nothing to be told from but the other groups.
        alone = len(members) / len(self._groups)
        mix = np.where(here == self._sizes, alone, here / self._sizes)
        weights = np.repeat(mix[self._groups], np.diff(self._ends))
        expected = np.bincount(self._ids, weights, minlength=len(self._total))
        return np.asarray(own / np.maximum(expected, 1e-9), np.float64)

    def _worth(
        self, own: npt.NDArray[np.intp], lift: npt.NDArray[np.float64], size: int
    ) -> npt.NDArray[np.float64]:
        """What each of a term's texts counts: 0 for terms that do not tell the cluster apart."""
        rarity = np.log(1 + len(self._groups) / np.maximum(self._total, 1))
        least = 1 if size < _FEW else 2
        told = np.where((own >= least) & (lift > 1), np.log(np.maximum(lift, 1)) * rarity, 0.0)
        # Of equals the longer says more.
        return told * (1 + 1e-4 * np.array([min(len(term), 10) for term in self._terms]))

    def _edges(self, lift: npt.NDArray[np.float64]) -> set[str]:
        """Characters that words neither begin nor end with, as far as this cluster goes."""
        single = {term: i for term, i in self._numbers.items() if len(term) == 1}
        most = max((int(self._total[i]) for i in single.values()), default=0)
        return {
            character
            for character, i in single.items()
            if self._total[i] > _COMMON * most and lift[i] < _NO_MORE and most >= _FEW
        }

    def _chosen(
        self,
        candidates: npt.NDArray[np.intp],
        worth: npt.NDArray[np.float64],
        members: Labels,
        most: int,
    ) -> tuple[str, ...]:
        terms = [self._shown(int(i)) for i in candidates]
        has = np.array([np.isin(candidates, self._row(member)) for member in members]).T
        weight, value = np.ones(len(members)), worth[candidates].copy()
        groups = self._groups[members]
        each = (groups[:, None] == np.unique(groups)).astype(float)
        chosen: list[str] = []
        while len(chosen) < most and value.any():
            counts = has @ (weight[:, None] * each)
            best = int(np.argmax(value * counts.max(axis=1)))
            value[best] = 0.0
            best = _whole(best, terms, counts.max(axis=1))
            value[best] = 0.0
            if any(_alike(terms[best], other) for other in chosen):
                continue
            chosen.append(terms[best])
            weight[has[best]] *= _LEFT
            weight[each[:, np.argmax(counts[best])] > 0] *= _LEFT
        return tuple(chosen)

    def _shown(self, number: int) -> str:
        """A term as it is written most often."""
        term = self._terms[number]
        form, times = self._forms.get(term, (term, 0))
        return form if 2 * times > self._total[number] else term


def _best_forms(written: Counter[str]) -> dict[str, tuple[str, int]]:
    """Folded term -> how it is written most often where it is not written folded, and how often."""
    best: dict[str, tuple[str, int]] = {}
    for form, times in sorted(written.items()):
        if times > best.get(form.casefold(), ("", 0))[1]:
            best[form.casefold()] = (form, times)
    return best


def _cut(term: str, edges: set[str]) -> bool:
    """True for a single character and for a run that begins or ends amid words."""
    return len(term) == 1 or (is_unspaced(term) and bool(edges & {term[0], term[-1]}))


def _whole(best: int, terms: Sequence[str], counts: npt.NDArray[np.float64]) -> int:
    """The longest term that the best is a part of, in scripts without spaces."""
    if not is_unspaced(terms[best]):
        return best
    longer = [
        i for i, term in enumerate(terms)
        if terms[best] in term and counts[i] >= _AS_MANY * counts[best]
    ]  # fmt: skip
    return max(longer, key=lambda i: (len(terms[i]), counts[i]))


def _alike(term: str, other: str) -> bool:
    """True for forms of one word, and for overlapping runs where words have no spaces."""
    short, long = sorted((term.casefold(), other.casefold()), key=len)
    if is_unspaced(short):
        pairs = {short[i : i + 2] for i in range(len(short) - 1)}
        return any(pair in long for pair in pairs)
    return long.startswith(short) and len(long) - len(short) <= _ENDING
