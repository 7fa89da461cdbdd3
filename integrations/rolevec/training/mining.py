"""Hard negatives: texts that a search ranks high for a query and that do not answer it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, Protocol, TypeAlias, get_args, runtime_checkable

import numpy as np
import numpy.typing as npt

from rolevec.documents import Hit
from rolevec.encoders.progress import counter
from rolevec.encoders.protocol import Encoder
from rolevec.roles import Role
from rolevec.training.data import text_key
from rolevec.training.hard import HardNegatives
from rolevec.training.mining_report import Mined, MiningReport
from rolevec.vectors import Matrix

Pick: TypeAlias = Literal["top", "random"]

# Similarities held at a time, in floats: 64 MB.
_BLOCK = 1 << 24


@runtime_checkable
class Searcher(Protocol):
    """What is asked of a collection; `rolevec.Collection` has it."""

    @property
    def encoder(self) -> Encoder:
        """Makes its vectors."""

    @property
    def dim(self) -> int:
        """How many leading coordinates of them it keeps."""

    def search_many(self, queries: Sequence[str], *, k: int = 10) -> list[list[Hit]]:
        """At most ``k`` hits a query, best first, scored by cosine."""


def mine_hard_negatives(
    source: Searcher | Encoder,
    pairs: Sequence[tuple[str, str]],
    *,
    corpus: Sequence[str] | None = None,
    n: int = 5,
    depth: int = 100,
    skip: int = 0,
    margin: float = 0.95,
    gap: float = 0.0,
    near_duplicate: float = 0.95,
    pick: Pick = "top",
    seed: int = 0,
    batch_size: int = 256,
    progress: bool = False,
) -> Mined:
    """Search for every query and keep the best hits that are not its answer.

    What scores nearly as high as the answer is often another answer that nobody marked, so hits
    above ``margin`` times the answer's own score, or less than ``gap`` below it, are left out
    (positive-aware mining: Moreira et al., "NV-Retriever", 2024, arXiv:2407.15831). Left out are
    also every answer that ``pairs`` gives to the query, texts equal to one or to the query up to
    case, punctuation and space, and near-duplicates of the answer.

    Args:
        source: a collection; or an encoder, together with ``corpus``.
        pairs: (query, its answer), any number of answers to a query.
        corpus: texts to search with an encoder: exactly, all vectors in memory.
        n: most negatives a pair.
        depth: hits looked at.
        skip: how many of the first hits are passed over, whatever they are.
        margin: highest score of a negative as a share of the answer's; 1 only asks for less.
        gap: how far below the answer's score a negative must be at least, in cosine.
        near_duplicate: highest cosine of a negative and the answer, both as documents.
        pick: of what is left, the "top" ones are kept, or a "random" choice of all: easier, with
            fewer unmarked answers among them.
        seed: of the random choice, which depends on it and the pair alone.
        batch_size: queries encoded and searched at a time.
        progress: show a bar on standard error.

    Returns:
        One result a pair, in the order of ``pairs``, made batch by batch as they are asked for; its
        ``report`` counts what was skipped and why. A pair for which nothing is left has no
        negatives. Equal input gives equal results.

    Raises:
        TypeError: an encoder without a corpus, or a collection with one.
        ValueError: a number is out of its range.
    """
    rules = _Rules(n, depth, skip, margin, gap, near_duplicate, pick, seed)
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}; it must be at least 1")
    if corpus is not None:
        if not isinstance(source, Encoder):
            raise TypeError("corpus= goes with an encoder; a collection brings its documents")
        found: _Source = _Corpus(source, corpus, progress=progress)
    elif isinstance(source, Searcher):
        found = _Documents(source)
    else:
        raise TypeError(f"a {type(source).__name__} cannot be searched; pass corpus= with encoders")
    miner = _Miner(found, _answers(pairs), rules)
    return Mined(_stream(miner, pairs, batch_size, progress=progress), miner.report)


@dataclass(frozen=True, slots=True)
class _Rules:
    """What is looked at and what is kept; see `mine_hard_negatives`."""

    n: int
    depth: int
    skip: int
    margin: float
    gap: float
    near_duplicate: float
    pick: Pick
    seed: int

    def __post_init__(self) -> None:
        if self.n < 1 or not 0 <= self.skip < self.depth or not 0 < self.margin <= 1:
            raise ValueError(
                f"n={self.n}, skip={self.skip}, depth={self.depth}, margin={self.margin}; it takes"
                " n of at least 1, 0 <= skip < depth, and 0 < margin <= 1"
            )
        if self.gap < 0 or self.pick not in get_args(Pick):
            raise ValueError(
                f"gap={self.gap}, pick={self.pick!r}; it takes a gap of at least 0, and"
                f" {' or '.join(map(repr, get_args(Pick)))}"
            )

    def most(self, own: float) -> float:
        """Scores from this on are too near to the answer's."""
        # Below zero a share of the score would be above it.
        return min(own, own * self.margin) - self.gap

    def ordered(self, hits: list[Hit], query: str, positive: str) -> list[Hit]:
        """In the order in which they are kept."""
        if self.pick == "top":
            return hits
        rng = np.random.default_rng((self.seed, text_key(query), text_key(positive)))
        return [hits[i] for i in rng.permutation(len(hits))]


def _answers(pairs: Sequence[tuple[str, str]]) -> dict[int, set[int]]:
    """Key of a query -> keys of all its answers."""
    answers: dict[int, set[int]] = {}
    for query, positive in pairs:
        answers.setdefault(text_key(query), set()).add(text_key(positive))
    return answers


def _stream(
    miner: _Miner, pairs: Sequence[tuple[str, str]], batch_size: int, *, progress: bool
) -> Iterator[HardNegatives]:
    with counter(len(pairs), "mining hard negatives", show=progress) as advance:
        for start in range(0, len(pairs), batch_size):
            batch = pairs[start : start + batch_size]
            yield from miner.mine(batch)
            advance(len(batch))


class _Source(Searcher, Protocol):
    def vectors(self, hits: Sequence[Hit]) -> Matrix:
        """Document vectors of hits, (n, dim)."""


class _Documents:
    """A collection, whose hits are encoded again where their vectors are asked for."""

    def __init__(self, collection: Searcher) -> None:
        self._collection = collection
        self.encoder = collection.encoder
        self.dim = collection.dim

    def search_many(self, queries: Sequence[str], *, k: int = 10) -> list[list[Hit]]:
        return self._collection.search_many(queries, k=k)

    def vectors(self, hits: Sequence[Hit]) -> Matrix:
        texts = [hit.text for hit in hits]
        return self.encoder.encode(texts, Role.DOCUMENT, dimensions=self.dim)


class _Corpus:
    """Texts in memory, searched by blocked matrix products; a hit's id is its position."""

    def __init__(self, encoder: Encoder, corpus: Sequence[str], *, progress: bool) -> None:
        self.encoder = encoder
        self.dim = encoder.dim
        self._texts = list(dict.fromkeys(corpus))
        self._vectors = encoder.encode(self._texts, Role.DOCUMENT, progress=progress)

    def search_many(self, queries: Sequence[str], *, k: int = 10) -> list[list[Hit]]:
        if not self._texts:
            return [[] for _ in queries]
        positions, scores = self._nearest(self.encoder.encode_queries(queries), k)
        return [
            [Hit(str(i), score, self._texts[i]) for i, score in zip(*row, strict=True)]
            for row in zip(positions.tolist(), scores.tolist(), strict=True)
        ]

    def _nearest(
        self, queries: Matrix, k: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Positions and cosines of the nearest texts, both (n, min(k, texts)), best first."""
        positions = np.zeros((len(queries), 0), np.int64)
        scores = np.zeros((len(queries), 0), np.float32)
        step = max(k, _BLOCK // len(queries))
        for start in range(0, len(self._texts), step):
            block = queries @ self._vectors[start : start + step].T
            numbers = np.broadcast_to(np.arange(start, start + block.shape[1]), block.shape)
            positions = np.concatenate([positions, numbers], axis=1)
            scores = np.concatenate([scores, block], axis=1)
            if scores.shape[1] > k:
                best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
                positions = np.take_along_axis(positions, best, axis=1)
                scores = np.take_along_axis(scores, best, axis=1)
        order = np.lexsort((positions, -scores), axis=1)
        ranked = np.take_along_axis(positions, order, axis=1)
        return ranked, np.take_along_axis(scores, order, axis=1)

    def vectors(self, hits: Sequence[Hit]) -> Matrix:
        return self._vectors[[int(hit.id) for hit in hits]]


class _Miner:
    def __init__(self, source: _Source, answers: dict[int, set[int]], rules: _Rules) -> None:
        self._source = source
        self._answers = answers
        self._rules = rules
        self.report = MiningReport()

    def mine(self, pairs: Sequence[tuple[str, str]]) -> list[HardNegatives]:
        queries, positives = (list(side) for side in zip(*pairs, strict=True))
        encode, dim = self._source.encoder.encode, self._source.dim
        answers = encode(positives, Role.DOCUMENT, dimensions=dim)
        own = np.sum(encode(queries, Role.QUERY, dimensions=dim) * answers, axis=1)
        hits = self._source.search_many(queries, k=self._rules.depth)
        left = [
            self._rules.ordered(self._candidates(pair[0], float(score), found), *pair)
            for pair, score, found in zip(pairs, own, hits, strict=True)
        ]
        kept = self._apart(left, answers)
        self.report.pairs += len(pairs)
        self.report.without += sum(not some for some in kept)
        return [_row(*pair, some) for pair, some in zip(pairs, kept, strict=True)]

    def _candidates(self, query: str, own: float, hits: list[Hit]) -> list[Hit]:
        """Hits that are no answer by their text or score, each text once."""
        known = {text_key(query)} | self._answers[text_key(query)]
        seen: set[int] = set()
        most, left, report = self._rules.most(own), [], self.report
        report.hits += len(hits)
        report.skipped_rank += min(len(hits), self._rules.skip)
        for hit in hits[self._rules.skip :]:
            text = text_key(hit.text)
            if text in known:
                report.known += 1
            elif text in seen:
                report.repeated += 1
            elif hit.score >= most:
                report.near_positive += 1
            else:
                left.append(hit)
            seen.add(text)
        return left

    def _apart(self, candidates: list[list[Hit]], answers: Matrix) -> list[list[Hit]]:
        """The first ``n`` of each list that are not near-duplicates of the pair's answer.

        In rounds, so that of a collection's hits hardly more are encoded than are kept.
        """
        queues = [iter(hits) for hits in candidates]
        kept: list[list[Hit]] = [[] for _ in candidates]
        while wanted := [
            (row, hit)
            for row, queue in enumerate(queues)
            for hit in islice(queue, self._rules.n - len(kept[row]))
        ]:
            rows = [row for row, _ in wanted]
            likeness = np.sum(self._source.vectors([h for _, h in wanted]) * answers[rows], axis=1)
            for (row, hit), cosine in zip(wanted, likeness, strict=True):
                if cosine <= self._rules.near_duplicate:
                    kept[row].append(hit)
                else:
                    self.report.near_duplicate += 1
        self.report.kept += sum(map(len, kept))
        self.report.not_needed += sum(1 for queue in queues for _ in queue)
        return kept


def _row(query: str, positive: str, kept: list[Hit]) -> HardNegatives:
    """The hardest first, however they were picked."""
    best = sorted(kept, key=lambda hit: -hit.score)
    texts, scores = tuple(hit.text for hit in best), tuple(hit.score for hit in best)
    return HardNegatives(query, positive, texts, scores)
