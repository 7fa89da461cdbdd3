"""Cross-encoders on this machine: a query and a text go through the model together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from rolevec.encoders.base import check_texts
from rolevec.encoders.batching import overlapped, token_batches
from rolevec.encoders.folder import ScorerFolder, find_onnx, read_scorer
from rolevec.encoders.graph import SCORE_OUTPUTS, Graph
from rolevec.encoders.loading import backends, find_files
from rolevec.encoders.onnx import OnnxGraph
from rolevec.encoders.openvino import (
    PRECISIONS,
    OpenVinoGraph,
    computes_bfloat16,
    convert,
    read_graph,
)
from rolevec.encoders.pooling import pad
from rolevec.encoders.precision import check_precision
from rolevec.encoders.torch import TorchScores, example_inputs, score_module
from rolevec.errors import ModelNotAvailable, RolevecError
from rolevec.truncation import TruncationPolicy, enforce

_POLICIES = ("warn", "end", "error")
_OPTIONS = {"device", "file", "max_tokens", "precision", "revision", "threads", "truncation"}
_OPTIONS |= {"trust_remote_code"}
# How far a score may move, of 1 and of itself, for a shorter format to be taken.
_NEAR = 0.02
_PROBES = ("When does the bank open?", "The bank opens at nine.", "快速的棕色狐狸跳过懒狗 " * 20)
# Pairs tokenised at a time, while the batches before them are computed.
_SLICE = 256


class _Pair(NamedTuple):
    ids: list[int]
    types: list[int]
    dropped: int


class LocalScorer:
    """Scores pairs of a query and a text; a `rolevec.ranking.rerank.PairScorer`.

    Args:
        found: the folder.
        graph: the model, opened.
        truncation: for pairs over the limit, whose longer part loses its end: "warn", "end" or
            "error".

    Attributes:
        name: the model's name.
        max_tokens: longest pair, special tokens included; None if unlimited.
    """

    def __init__(
        self, found: ScorerFolder, graph: Graph, *, truncation: TruncationPolicy = "warn"
    ) -> None:
        if truncation not in _POLICIES:
            raise ValueError(f"truncation={truncation!r} of a scorer: {', '.join(_POLICIES)}")
        self.name = found.name
        self.max_tokens = found.max_tokens
        self.truncation = truncation
        self.backend, self.device, self.precision = graph.backend, graph.device, graph.precision
        self._found = found
        self._graph: Graph | None = graph
        self._tokenizer = found.tokenizer()
        self._cutting = _cutting(found)

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score a text from 0 to 1, in the order of the texts; higher is better.

        The logistic function of the model's one output, also for models whose folder asks
        sentence-transformers for bare logits: the order is the same, and scores of every
        cross-encoder are of one scale.

        Raises:
            InvalidText: the query or a text is blank, not a string or not encodable.
            InputTooLong: a pair is too long, under the policy "error".
        """
        graph = self._graph
        if graph is None:
            raise RolevecError(f"the scorer {self.name} is closed; load it again")
        (query,) = check_texts([query])
        texts = check_texts(texts)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]), reverse=True)
        slices = [order[start : start + _SLICE] for start in range(0, len(order), _SLICE)]
        dropped = [0] * len(texts)
        scores = np.empty(len(texts), dtype=np.float64)

        def batches() -> Any:
            pairs = partial(self._pairs, query)
            some = ([texts[i] for i in part] for part in slices)
            for part, made in zip(slices, overlapped(pairs, some, 1), strict=True):
                for place, pair in zip(part, made, strict=True):
                    dropped[place] = pair.dropped
                for group in token_batches([pair.ids for pair in made], graph.token_budget):
                    yield [part[i] for i in group], [made[i] for i in group]

        compute = partial(self._compute, graph)
        for places, found in overlapped(compute, batches(), graph.parallel):
            scores[places] = found
        enforce(dropped, self.max_tokens, self.truncation)
        if not np.isfinite(scores).all():
            raise ModelNotAvailable(f"{self.name} gave a score that is no number")
        return [float(score) for score in _logistic(scores)]

    def _pairs(self, query: str, texts: list[str]) -> list[_Pair]:
        whole = self._tokenizer.encode_batch([(query, text) for text in texts])
        return [
            self._cut(query, text, encoding) for text, encoding in zip(texts, whole, strict=True)
        ]

    def _cut(self, query: str, text: str, whole: Encoding) -> _Pair:
        if self._cutting is None or len(whole) <= (self.max_tokens or len(whole)):
            return _Pair(whole.ids, whole.type_ids, 0)
        cut = self._cutting.encode(query, text)
        return _Pair(cut.ids, cut.type_ids, len(whole) - len(cut))

    def _compute(
        self, graph: Graph, batch: tuple[list[int], list[_Pair]]
    ) -> tuple[list[int], npt.NDArray[np.float32]]:
        places, pairs = batch
        ids, mask = pad([pair.ids for pair in pairs], self._found.pad_id)
        types, _ = pad([pair.types for pair in pairs], 0)
        return places, graph(ids, mask, types).reshape(len(pairs), -1)[:, 0]

    def close(self) -> None:
        """Let the model go; a later call to `score` is refused."""
        self._graph = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, {self.backend}, {self.precision})"


def load_local_scorer(
    model: str | Path, options: Mapping[str, Any], *, backend: str | None = None
) -> LocalScorer:
    """Load a cross-encoder that runs here; the fastest backend there is unless one is named.

    Args:
        model: "org/name" or a folder.
        options: as for `rolevec.encoders.scoring.load_scorer`.
        backend: "openvino", "onnx" or "torch".

    Raises:
        TypeError: an option that there is not.
        UnknownModel, ModelNotAvailable, MissingExtra: as `load_encoder`.
    """
    unknown = sorted(set(options) - _OPTIONS)
    if unknown:
        raise TypeError(f"a scorer has no option {', '.join(unknown)}; it has {sorted(_OPTIONS)}")
    options = {"device": "auto", **options}
    folder, name = find_files(model, options)
    found = read_scorer(folder, name, options.get("max_tokens"))
    truncation: TruncationPolicy = options.get("truncation") or "warn"
    *preferred, last = [backend] if backend else backends(folder, options)
    for kind in preferred:
        # What one cannot read another may; if none can, the last one says why.
        with suppress(ModelNotAvailable):
            return LocalScorer(found, _OPENERS[kind](found, options), truncation=truncation)
    return LocalScorer(found, _OPENERS[last](found, options), truncation=truncation)


def _logistic(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # By the hyperbolic tangent, which does not overflow.
    return np.asarray(0.5 * (1 + np.tanh(logits / 2)))


def _cutting(found: ScorerFolder) -> Tokenizer | None:
    """A tokenizer that shortens the longer part of a pair until the pair fits."""
    if found.max_tokens is None:
        return None
    tokenizer = found.tokenizer()
    tokenizer.enable_truncation(found.max_tokens, strategy="longest_first")
    return tokenizer


def _open_onnx(found: ScorerFolder, options: Mapping[str, Any]) -> Graph:
    path = find_onnx(found.path, options.get("file"))
    if path is None:
        raise ModelNotAvailable(f"{found.path} has no ONNX file; load it with torch")
    running = {k: options[k] for k in ("device", "threads", "precision") if options.get(k)}
    return OnnxGraph(path, found.name, SCORE_OUTPUTS, **running)


def _open_openvino(found: ScorerFolder, options: Mapping[str, Any]) -> Graph:
    path = find_onnx(found.path, options.get("file"))
    if path is not None:
        model = read_graph(path)
    else:
        scores = TorchScores(found.path, device="cpu", precision="float32")
        example = example_inputs(types=scores.typed)
        model = convert(score_module(scores), example, SCORE_OUTPUTS[0])
    precision = options.get("precision") or "float32"
    threads = options.get("threads")
    opened = partial(OpenVinoGraph, model, found.name, SCORE_OUTPUTS, threads=threads)
    if precision != "auto":
        return opened(precision=check_precision(precision, "OpenVINO", PRECISIONS))
    if computes_bfloat16():
        # The one is closed before the other is opened: of a large model, two would not fit.
        want = _probed(found, opened(precision="float32"))
        short = opened(precision="bfloat16")
        if np.allclose(_probed(found, short), want, rtol=_NEAR, atol=_NEAR):
            return short
    return opened(precision="float32")


def _probed(found: ScorerFolder, graph: Graph) -> npt.NDArray[np.float32]:
    encodings = found.tokenizer().encode_batch([(_PROBES[0], text) for text in _PROBES])
    pairs = [(e.ids[: found.max_tokens], e.type_ids[: found.max_tokens]) for e in encodings]
    ids, mask = pad([ids for ids, _ in pairs], found.pad_id)
    return graph(ids, mask, pad([types for _, types in pairs], 0)[0])


def _open_torch(found: ScorerFolder, options: Mapping[str, Any]) -> Graph:
    running = {k: options[k] for k in ("device", "precision", "trust_remote_code") if k in options}
    return TorchScores(found.path, **running)


_Opener: TypeAlias = Callable[[ScorerFolder, Mapping[str, Any]], Graph]
_OPENERS: dict[str, _Opener] = {
    "openvino": _open_openvino,
    "onnx": _open_onnx,
    "torch": _open_torch,
}
