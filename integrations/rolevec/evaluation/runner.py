"""`evaluate`: an encoder on data sets, by exact search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rolevec.encoders.progress import counter
from rolevec.encoders.protocol import Encoder, ReportingEncoder
from rolevec.evaluation.content import Bitext, Retrieval, Similarity, Triples, whole_rows
from rolevec.evaluation.datasets import Dataset, find_datasets
from rolevec.evaluation.metrics import (
    Values,
    bitext_values,
    check_installed,
    check_metrics,
    retrieval_values,
    spearman,
    triple_values,
)
from rolevec.evaluation.report import Report, Score
from rolevec.ranking.exact import top_k
from rolevec.roles import Role
from rolevec.vectors import Matrix, check_dimensions, cut_dimensions

METRICS = ("ndcg@10", "recall@100", "mrr@10")

_CROSS = f"{Retrieval.task}, cross-lingual"
_ENGLISH = ("en", "eng")
# Sentences of bitext, triples and scored pairs are equals; none asks the other. One role for both
# sides keeps the cosine symmetric, and this one is the role of the texts a collection holds.
_EQUALS = Role.DOCUMENT


def evaluate(
    encoder: Encoder,
    dataset: str | Path | Dataset[Any] | Sequence[Dataset[Any]],
    *,
    metrics: Sequence[str] = METRICS,
    dimensions: Sequence[int] | None = None,
    progress: bool = False,
) -> Report:
    """Measure an encoder.

    Queries are encoded as queries and passages as documents, and every passage is compared; the
    sentences of other tasks are all encoded as documents. A retrieval set whose languages share
    the ids of their passages is also searched across languages: the queries of each against the
    passages in English. A passage that is the query itself (same id, same text) is no answer.

    Args:
        encoder: any.
        dataset: a path, see `find_datasets`; or data sets that are loaded already.
        metrics: of retrieval: "ndcg@k", "recall@k", "mrr@k", "map@k", "precision@k", "hit@k".
            Bitext, triples and scored pairs have their own.
        dimensions: report on these Matryoshka cuts; texts are encoded once. None is the
            encoder's own dimension.
        progress: show bars on standard error.

    Raises:
        ValueError: an unknown metric, a file of the wrong form, or a name given twice.
        InvalidVector: more dimensions asked for than the encoder has.
        MissingExtra: the packages of the extra "eval" are not installed.
        RolevecError: there is no data set at the path.
    """
    check_metrics(metrics)
    cuts = tuple(dict.fromkeys(dimensions or (encoder.dim,)))
    for cut in cuts:
        check_dimensions(cut, encoder.dim)
    datasets = _distinct(dataset)
    check_installed({found.kind.task for found in datasets})
    runs = [_Run(encoder, found, tuple(metrics), cuts, progress) for found in datasets]
    return Report(encoder.fingerprint.describe(), tuple(s for run in runs for s in run.scores()))


def _distinct(dataset: str | Path | Dataset[Any] | Sequence[Dataset[Any]]) -> list[Dataset[Any]]:
    if isinstance(dataset, str | Path):
        return find_datasets(dataset)
    datasets = [dataset] if isinstance(dataset, Dataset) else list(dataset)
    named = Counter((found.name, found.kind.task) for found in datasets)
    twice = sorted(name for (name, _), times in named.items() if times > 1)
    if twice:
        # The report would take them for one, and average over both.
        raise ValueError(f"several data sets are called {', '.join(twice)}; give each its own name")
    return datasets


class _Encoded(NamedTuple):
    """Texts under their ids, as unit rows of shape (n, encoder.dim)."""

    ids: list[str]
    vectors: Matrix
    cut: int


@dataclass(frozen=True, slots=True)
class _Run:
    """One encoder on one data set."""

    encoder: Encoder
    dataset: Dataset[Any]
    metrics: tuple[str, ...]
    cuts: tuple[int, ...]
    progress: bool

    def scores(self) -> list[Score]:
        """By task, dimension and language."""
        several = len(self.dataset.parts) > 1
        found: list[Score] = []
        # A bar that counts languages, or one of the encoder that counts texts: never two at once.
        label, show = self.dataset.name, self.progress and several
        with counter(len(self.dataset.parts), label, show=show) as advance:
            for scores in self._retrieval() if self.dataset.kind is Retrieval else self._rows():
                found += scores
                advance(1)
        return sorted(found, key=lambda s: (s.task, self.cuts.index(s.dim), s.language))

    def _rows(self) -> Iterator[list[Score]]:
        """Bitext, triples or scored pairs, language by language."""
        for language, read in self.dataset.parts.items():
            content = read()
            kept = whole_rows(*content.texts)
            ids = [str(i) for i in kept]
            self._refuse_nothing(language, ids)
            columns = [
                self._encode(ids, [column[i] for i in kept], _EQUALS) for column in content.texts
            ]
            counts = {
                "blank": len(content.texts[0]) - len(kept),
                "cut": sum(column.cut for column in columns),
            }
            found = []
            for dim in self.cuts:
                vectors = [cut_dimensions(column.vectors, dim) for column in columns]
                metrics, values = self._measure(language, content, kept, vectors)
                found.append(self._score(language, dim, ids, metrics, values, counts))
            yield found

    def _retrieval(self) -> Iterator[list[Score]]:
        """English first: its passages are searched by the queries of other languages as well."""
        english: _Encoded | None = None
        names: frozenset[str] = frozenset()
        for language in sorted(self.dataset.parts, key=lambda name: name not in _ENGLISH):
            content: Retrieval = self.dataset.parts[language]()
            passages = self._passages(content)
            queries = self._queries(language, content)
            found = self._search(language, content, queries, passages)
            if english is not None and names == content.documents.keys():
                found += self._search(language, content, queries, english, _CROSS)
            if language in _ENGLISH and english is None:
                english, names = passages, frozenset(content.documents)
            yield found

    def _passages(self, content: Retrieval) -> _Encoded:
        # trec_eval ranks equal scores by descending id, the search by row number.
        ids = sorted(_whole(content.documents), reverse=True)
        return self._encode(ids, [content.documents[i] for i in ids], Role.DOCUMENT)

    def _queries(self, language: str, content: Retrieval) -> _Encoded:
        """Those that are judged and not blank."""
        ids = [query for query in _whole(content.queries) if content.qrels.get(query)]
        return self._encode(ids, [content.queries[i] for i in ids], Role.QUERY)

    def _search(
        self,
        language: str,
        content: Retrieval,
        queries: _Encoded,
        passages: _Encoded,
        task: str = Retrieval.task,
    ) -> list[Score]:
        qrels = {q: found for q, found in content.qrels.items() if found and q in content.queries}
        self._refuse_nothing(language, list(qrels))
        judged = [document for found in qrels.values() for document, rel in found.items() if rel]
        counts = {
            "documents": len(passages.ids),
            "blank": len(content.documents) - len(passages.ids) + len(qrels) - len(queries.ids),
            "missing": sum(document not in content.documents for document in judged),
            "cut": passages.cut + queries.cut,
        }
        found = []
        for dim in self.cuts:
            ranked = self._ranked(content, queries, passages, dim)
            values = retrieval_values(qrels, ranked, self.metrics)
            metrics = _means(values)
            found.append(self._score(language, dim, list(qrels), metrics, values, counts, task))
        return found

    def _ranked(
        self, content: Retrieval, queries: _Encoded, passages: _Encoded, dim: int
    ) -> dict[str, list[str]]:
        """Query -> ids of its nearest passages, at least as many as the metrics look at."""
        depth = max(check_metrics(self.metrics).values())
        cut = [cut_dimensions(encoded.vectors, dim) for encoded in (queries, passages)]
        rows, _ = top_k(cut[0], cut[1], depth + 1)
        ranked = {}
        for query, nearest in zip(queries.ids, rows, strict=True):
            found = [passages.ids[row] for row in nearest]
            # Where the queries are documents too (ArguAna), each finds itself; ids alone do not
            # tell, as data sets number queries and documents from 1.
            title, text = content.titles.get(query, ""), content.documents.get(query, "")
            if text.removeprefix(title).strip() == content.queries[query].strip():
                found = [name for name in found if name != query]
            ranked[query] = found
        return ranked

    def _encode(self, ids: list[str], texts: list[str], role: Role) -> _Encoded:
        show = self.progress and len(self.dataset.parts) == 1
        if isinstance(self.encoder, ReportingEncoder):
            encoded = self.encoder.encode_with_report(texts, role, progress=show)
            return _Encoded(ids, encoded.vectors, len(encoded.truncation.positions))
        return _Encoded(ids, self.encoder.encode(texts, role, progress=show), 0)

    def _measure(
        self,
        language: str,
        content: Bitext | Triples | Similarity,
        kept: list[int],
        vectors: list[Matrix],
    ) -> tuple[dict[str, float], dict[str, Values]]:
        """Metrics, and the values that they are the means of."""
        if isinstance(content, Similarity):
            text_a, text_b = vectors
            try:
                return {"spearman": spearman(text_a, text_b, [content.score[i] for i in kept])}, {}
            except ValueError as error:
                raise ValueError(f"{self._called(language)}: {error}") from error
        measure = bitext_values if isinstance(content, Bitext) else triple_values
        values = measure(*vectors)
        return _means(values), values

    def _refuse_nothing(self, language: str, ids: Sequence[str]) -> None:
        if not ids:
            raise ValueError(
                f"{self._called(language)}: nothing to score; no query is judged, or all texts are"
                " blank"
            )

    def _called(self, language: str) -> str:
        return f"{self.dataset.name} ({language})" if language else self.dataset.name

    def _score(
        self,
        language: str,
        dim: int,
        ids: list[str],
        metrics: Mapping[str, float],
        values: Mapping[str, Values],
        counts: Mapping[str, int],
        task: str = "",
    ) -> Score:
        return Score(
            self.dataset.name,
            task or self.dataset.kind.task,
            language,
            dim,
            len(ids),
            metrics,
            {name: n for name, n in counts.items() if n or name == "documents"},
            tuple(ids),
            values,
        )


def _means(values: Mapping[str, Values]) -> dict[str, float]:
    return {name: float(found.mean()) for name, found in values.items()}


def _whole(texts: Mapping[str, str]) -> list[str]:
    """Ids of the texts that are not blank."""
    ids = list(texts)
    return [ids[i] for i in whole_rows(list(texts.values()))]
