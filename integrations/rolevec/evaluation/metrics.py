"""Metrics: of ranked lists, of bitext, of triples, of likeness."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rolevec.errors import MissingExtra
from rolevec.ranking.exact import top_k
from rolevec.vectors import Matrix

Values = npt.NDArray[np.float64]

# Our name -> that of ir_measures.
_MEASURES = {
    "ndcg": "nDCG",
    "recall": "R",
    "mrr": "RR",
    "map": "AP",
    "precision": "P",
    "hit": "Success",
}
_METRIC = re.compile(rf"({'|'.join(_MEASURES)})@([1-9]\d*)")


def check_metrics(names: Sequence[str]) -> dict[str, int]:
    """Metric -> its cut-off, in the order given, without repetition.

    Raises:
        ValueError: none is given, or one is not known.
    """
    found = {name: _METRIC.fullmatch(name) for name in names}
    unknown = [name for name, match in found.items() if match is None]
    if unknown or not found:
        raise ValueError(
            f"unknown metric {', '.join(map(repr, unknown)) or '(none given)'}; use"
            f" {', '.join(f'{name}@k' for name in _MEASURES)} with a number for k, as in 'ndcg@10'"
        )
    return {name: int(match[2]) for name, match in found.items() if match}


def check_installed(tasks: Iterable[str]) -> None:
    """Raise `MissingExtra` if the metrics of some tasks need a package that is not here."""
    for task, load in (("retrieval", _ir_measures), ("similarity", _spearmanr)):
        if task in tasks:
            load()


def retrieval_values(
    qrels: Mapping[str, Mapping[str, int]],
    ranked: Mapping[str, Sequence[str]],
    metrics: Sequence[str],
) -> dict[str, Values]:
    """Values of trec_eval's metrics for each query.

    nDCG takes the relevance as gain and log2 as discount; all others count a relevance of 1 or
    more as relevant. A query without a list has 0.

    Args:
        qrels: query -> document -> relevance.
        ranked: query -> documents, best first, without ties.
        metrics: "ndcg@k", "recall@k", "mrr@k", "map@k", "precision@k", "hit@k".

    Returns:
        Metric -> values in the order of ``qrels``, shape (len(qrels),).

    Raises:
        ValueError: unknown metric.
        MissingExtra: ir-measures is not installed.
    """
    ir_measures = _ir_measures()
    measures = {
        getattr(ir_measures, _MEASURES[name.partition("@")[0]]) @ k: name
        for name, k in check_metrics(metrics).items()
    }
    # Positions as scores: each of the programs behind ir_measures has its own rule on ties.
    run = {q: {d: -float(i) for i, d in enumerate(found)} for q, found in ranked.items() if found}
    places = {query: i for i, query in enumerate(qrels)}
    values = {name: np.zeros(len(places)) for name in measures.values()}
    judged = {query: dict(found) for query, found in qrels.items()}
    for value in ir_measures.iter_calc(list(measures), judged, run):
        values[measures[value.measure]][places[value.query_id]] = value.value
    return values


def bitext_values(other: Matrix, english: Matrix) -> dict[str, Values]:
    """Whether the nearest of all translations, by cosine, is the right one.

    Args:
        other: unit rows, shape (n, dim).
        english: unit rows, shape (n, dim); row i translates row i.

    Returns:
        "xx->eng" and "eng->xx" -> 1 or 0 for each row, shape (n,). Of equally near ones the first
        counts as the nearest, so that a tie is right for one of its rows only.
    """
    rows = np.arange(len(other))
    sides = {"xx->eng": (other, english), "eng->xx": (english, other)}
    return {
        name: (top_k(source, target, 1)[0][:, 0] == rows).astype(np.float64)
        for name, (source, target) in sides.items()
    }


def triple_values(anchor: Matrix, paraphrase: Matrix, near_miss: Matrix) -> dict[str, Values]:
    """Whether the paraphrase is nearer to the anchor than the near miss is; a tie is wrong.

    Args:
        anchor, paraphrase, near_miss: unit rows, shape (n, dim).

    Returns:
        "accuracy" -> 1 or 0 for each row, shape (n,).
    """
    right = _cosines(anchor, paraphrase) > _cosines(anchor, near_miss)
    return {"accuracy": right.astype(np.float64)}


def spearman(text_a: Matrix, text_b: Matrix, scores: Sequence[float]) -> float:
    """Rank correlation of the cosines with what people said; equal values share a mean rank.

    Args:
        text_a, text_b: unit rows, shape (n, dim).
        scores: n numbers.

    Returns:
        A number in [-1, 1]; 0 if all cosines are equal, which puts the pairs in no order.

    Raises:
        ValueError: all scores are equal, or one is NaN.
        MissingExtra: scipy is not installed.
    """
    said = np.asarray(scores, dtype=np.float64)
    if len(set(scores)) < 2 or np.isnan(said).any():
        raise ValueError(
            f"{len(said)} pairs whose scores are all equal, or hold NaN, have no rank correlation"
        )
    cosines = _cosines(text_a, text_b)
    return float(_spearmanr()(cosines, said).statistic) if np.ptp(cosines) else 0.0


def _cosines(left: Matrix, right: Matrix) -> Values:
    return np.asarray(np.einsum("ij,ij->i", left, right, dtype=np.float64))


def _ir_measures() -> Any:
    try:
        import ir_measures
    except ImportError as error:
        raise MissingExtra("ir-measures", "eval") from error
    return ir_measures


def _spearmanr() -> Any:
    try:
        from scipy.stats import spearmanr  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtra("scipy", "eval") from error
    return spearmanr
