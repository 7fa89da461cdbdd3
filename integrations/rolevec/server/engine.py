"""The models of a server, loaded once, each behind its queue."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeVar, cast

import numpy as np
from tokenizers import decoders

from rolevec.encoders.loading import load_encoder
from rolevec.encoders.scoring import Scorer, load_scorer
from rolevec.encoders.tokens import CPU_TOKEN_BUDGET, GPU_TOKEN_BUDGET, Counted, TokenEncoder
from rolevec.errors import RolevecError
from rolevec.ranking.rerank import calibrated
from rolevec.roles import Role
from rolevec.server.batching import Batcher
from rolevec.server.failures import Kind, Refused
from rolevec.server.http import Request
from rolevec.server.metrics import Metrics
from rolevec.server.settings import Limits, ModelSettings, RerankerSettings, Settings
from rolevec.vectors import Matrix

Truncation = Literal["error", "end", "start"]
# embed-v4.0, embed-multilingual-light-v3.0, text-embedding-3-small, …
_VENDORS = re.compile(
    r"embed-((english|multilingual)-(light-)?)?v\d[\d.]*|text-embedding-[a-z0-9-]+"
)
M = TypeVar("M", bound="_Named")

# Some milliseconds of work for a static model: a query waits for at most one batch of bulk.
_STATIC_BUDGET = 1 << 12
# A cross-encoder reads the query with every document, and tells nothing of its speed.
_SCORER_BUDGET = 1 << 13
# What stands for a blank in the tokens of sentencepiece.
_WORD = "\N{LOWER ONE EIGHTH BLOCK}"


class _Named(Protocol):
    name: str
    aliases: tuple[str, ...]


class _How(NamedTuple):
    """Texts of equal ones are encoded together."""

    role: Role | None
    truncation: Literal["end", "start"]


@dataclass(frozen=True, slots=True)
class Scores:
    """The answer to a rerank request.

    Attributes:
        values: one for each document, in order.
        model: name of what scored them.
        cosine: they come from cosines of the encoder's vectors, for want of a cross-encoder.
        tokens: that reached the encoder; 0 for a cross-encoder, which does not tell.
    """

    values: list[float]
    model: str
    cosine: bool
    tokens: int


class Model:
    """An encoder and its queue.

    Attributes:
        name: what requests call it.
        aliases: further names.
        encoder: the loaded model.
    """

    def __init__(self, settings: ModelSettings, limits: Limits, metrics: Metrics) -> None:
        self.encoder = _load(settings)
        self.name = settings.name or self.encoder.name
        self.aliases = settings.aliases
        self._tokenizer_json: bytes | None = None
        self.batcher: Batcher[Counted] = Batcher(
            self.name,
            self._encode,
            budget=settings.batch_tokens or _budget(self.encoder),
            queue_cost=limits.queue_tokens,
            queue_jobs=limits.queue_requests,
            workers=settings.workers,
            on_batch=metrics.batches(self.name),
        )

    async def tokenizer_json(self) -> bytes:
        """The model's tokenizer.json, as it is used here."""
        if self._tokenizer_json is None:
            written = await asyncio.to_thread(self.encoder.tokenizer.to_str)
            self._tokenizer_json = written.encode()
        return self._tokenizer_json

    async def embed(
        self, request: Request, texts: list[str], role: Role | None, truncation: Truncation
    ) -> Counted:
        """Encode texts along with other requests'.

        Args:
            request: who asks, and until when.
            texts: checked; at least one.
            role: None for no prompt.
            truncation: "error" refuses what the others cut.

        Raises:
            Refused: too much waits, it took too long, or a text is too long.
        """
        how = _How(role, "start" if truncation == "start" else "end")
        job = self.batcher.submit(how, texts, [_cost(text) for text in texts], request.client)
        parts = await request.wait(self.batcher, job)
        counted = parts[0] if len(parts) == 1 else _joined(parts)
        dropped = sum(map(bool, counted.dropped))
        if dropped and truncation == "error":
            raise self._too_long(counted)
        request.notes["tokens"] = request.notes.get("tokens", 0) + sum(counted.tokens)
        if dropped:
            request.notes["truncated"] = request.notes.get("truncated", 0) + dropped
        return counted

    def _encode(self, key: Hashable, groups: list[list[str]]) -> list[Counted]:
        role, truncation = cast(_How, key)
        texts = [text for group in groups for text in group]
        whole = self.encoder.encode_counted(texts, role, truncation)
        if len(groups) == 1:
            return [whole]
        results = []
        start = 0
        for group in groups:
            part = slice(start, start + len(group))
            results.append(Counted(whole.vectors[part], whole.tokens[part], whole.dropped[part]))
            start += len(group)
        return results

    def _too_long(self, counted: Counted) -> Refused:
        place = next(i for i, lost in enumerate(counted.dropped) if lost)
        length = counted.tokens[place] + counted.dropped[place]
        return Refused(
            Kind.TOO_LONG,
            f"text {place} is too long: {length} tokens, and {self.name} takes"
            f" {self.encoder.max_tokens}; shorten it, or let it be cut",
        )


class Reranker:
    """A cross-encoder and its queue.

    Attributes:
        name: what requests call it.
        aliases: further names.
    """

    def __init__(self, settings: RerankerSettings, limits: Limits, metrics: Metrics) -> None:
        self.scorer: Scorer = load_scorer(settings.model, **settings.options)
        self.name = settings.name or self.scorer.name
        self.aliases = settings.aliases
        self.batcher: Batcher[list[float]] = Batcher(
            self.name,
            self._score,
            budget=_SCORER_BUDGET,
            queue_cost=limits.queue_tokens,
            queue_jobs=limits.queue_requests,
            on_batch=metrics.batches(self.name),
        )

    async def score(self, request: Request, query: str, documents: list[str]) -> list[float]:
        """One score a document, in order.

        Raises:
            Refused: too much waits, it took too long, or the endpoint behind it failed.
        """
        costs = [_cost(query) + _cost(document) for document in documents]
        job = self.batcher.submit(query, documents, costs, request.client)
        try:
            parts = await request.wait(self.batcher, job)
        except RolevecError as error:
            raise Refused(Kind.UNAVAILABLE, f"the reranker {self.name} failed: {error}") from error
        return [score for part in parts for score in part]

    def _score(self, key: Hashable, groups: list[list[str]]) -> list[list[float]]:
        query = cast(str, key)
        return [[float(s) for s in self.scorer.score(query, group)] for group in groups]


class Engine:
    """All models of a server.

    Args:
        settings: which.
        metrics: told of batches and queues.

    Attributes:
        models: the first is that of requests that name none.
        rerankers: cross-encoders.
        all: both.

    Raises:
        RolevecError: a model cannot be loaded, or is none that runs here.
        ValueError: two models share a name.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._any_name = settings.any_name
        self._vendor_names = settings.vendor_names
        self.models = [Model(m, settings.limits, metrics) for m in settings.models]
        self.rerankers = [Reranker(r, settings.limits, metrics) for r in settings.rerankers]
        self._models = _by_name(self.models)
        self._rerankers = _by_name(self.rerankers)
        self.all: list[Model | Reranker] = [*self.models, *self.rerankers]
        metrics.watch({queued.name: queued.batcher for queued in self.all})

    def start(self) -> None:
        """Start the workers; on the event loop."""
        for queued in self.all:
            queued.batcher.start()

    def stop(self) -> None:
        """Finish what waits, end the workers and let the models go; not on the event loop."""
        for queued in self.all:
            queued.batcher.stop()
        for model in self.models:
            model.encoder.close()
        for reranker in self.rerankers:
            reranker.scorer.close()

    def model(self, name: str | None) -> Model:
        """The model of a name or alias; without a name the first.

        Raises:
            Refused: there is none of that name.
        """
        if name is None:
            return self.models[0]
        found = self._models.get(name.lower())
        if found is None:
            if self._any_name or (self._vendor_names and _VENDORS.fullmatch(name.lower())):
                return self.models[0]
            raise _unknown(name, self._models)
        return found

    async def rerank(
        self, request: Request, name: str | None, query: str, documents: list[str]
    ) -> Scores:
        """Scores by a cross-encoder, or for want of one by an encoder: (1 + cosine) / 2.

        Raises:
            Refused: there is no model of that name; and as `Model.embed` and `Reranker.score`.
        """
        reranker = self._rerankers.get(name.lower()) if name else None
        if name is None and self.rerankers:
            reranker = self.rerankers[0]
        if reranker is not None:
            request.notes["model"] = reranker.name
            values = await reranker.score(request, query, documents)
            return Scores(values, reranker.name, cosine=False, tokens=0)
        model = self._cosine_model(name)
        request.notes["model"] = model.name
        query_part, document_part = await asyncio.gather(
            model.embed(request, [query], Role.QUERY, "end"),
            model.embed(request, documents, Role.DOCUMENT, "end"),
        )
        values = calibrated(document_part.vectors @ query_part.vectors[0]).tolist()
        tokens = sum(query_part.tokens) + sum(document_part.tokens)
        return Scores(values, model.name, cosine=True, tokens=tokens)

    def _cosine_model(self, name: str | None) -> Model:
        found = self._models.get(name.lower()) if name else None
        if found is not None:
            return found
        # Names of Cohere's rerankers, where there is none of ours.
        if name and self.rerankers and not self._any_name:
            raise _unknown(name, {**self._rerankers, **self._models})
        return self.models[0]


def _load(settings: ModelSettings) -> TokenEncoder:
    for name in ("cache", "truncation"):
        if name in settings.options:
            raise ValueError(f"{settings.model}: a server has no {name} of its own; leave it out")
    encoder = load_encoder(settings.model, **settings.options)
    if not isinstance(encoder, TokenEncoder):
        encoder.close()
        raise RolevecError(
            f"{settings.model!r} does not run on this machine, so it cannot be served; ask it"
            " directly, or serve a model that does"
        )
    if encoder.tokenizer.decoder is None and encoder.tokenizer.token_to_id(_WORD) is not None:
        # Tokenizers made for encoding may leave it out; the mark of a word is no text.
        encoder.tokenizer.decoder = decoders.Metaspace()
    return encoder


def _budget(encoder: TokenEncoder) -> int:
    if encoder.backend == "static":
        return _STATIC_BUDGET
    return GPU_TOKEN_BUDGET if "cuda" in getattr(encoder, "device", "") else CPU_TOKEN_BUDGET


def _cost(text: str) -> int:
    """Rather more than the tokens of a text, without tokenising it."""
    return len(text) // (4 if text.isascii() else 2) + 1


def _joined(parts: Sequence[Counted]) -> Counted:
    vectors: Matrix = np.concatenate([part.vectors for part in parts])
    return Counted(
        vectors,
        [count for part in parts for count in part.tokens],
        [count for part in parts for count in part.dropped],
    )


def _by_name(models: Sequence[M]) -> dict[str, M]:
    names: dict[str, M] = {}
    for model in models:
        for name in (model.name, *model.aliases):
            if names.setdefault(name.lower(), model) is not model:
                raise ValueError(f"two models are called {name!r}; give one of them another name")
    return names


def _unknown(name: str, known: Mapping[str, Any]) -> Refused:
    return Refused(
        Kind.NOT_FOUND,
        f"model {name!r} not found; this server has {', '.join(known)} (its owner can add names:"
        " rolevec serve --alias, --any-name)",
        param="model",
    )
