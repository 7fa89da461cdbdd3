"""Prometheus metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from rolevec.errors import MissingExtra
from rolevec.server.batching import Batch

try:
    from prometheus_client import (
        CollectorRegistry,
        Counter,
        Gauge,
        Histogram,
        generate_latest,
    )
except ImportError as error:
    raise MissingExtra("prometheus-client", "server") from error

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_TOKENS = (16, 64, 256, 1024, 4096, 16384, 65536)


class Queue(Protocol):
    """What waits for a model."""

    @property
    def waiting_jobs(self) -> int:
        """Requests."""

    @property
    def waiting_cost(self) -> int:
        """Their tokens, estimated."""


class Metrics:
    """The metrics of one server; each has its own registry."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._latency = Histogram(
            "rolevec_request_seconds",
            "Time from a request's arrival to its answer.",
            ("route", "role"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._requests = Counter(
            "rolevec_requests", "Answers.", ("route", "status"), registry=registry
        )
        self._tokens = Counter(
            "rolevec_tokens", "Tokens that reached a model.", ("model", "role"), registry=registry
        )
        self._texts = Counter(
            "rolevec_texts", "Texts encoded.", ("model", "role"), registry=registry
        )
        self._truncated = Counter(
            "rolevec_truncated_texts", "Texts that lost tokens.", ("model",), registry=registry
        )
        self._batch_texts = Histogram(
            "rolevec_batch_texts", "Texts in a batch.", ("model",), buckets=_SIZES,
            registry=registry,
        )  # fmt: skip
        self._batch_tokens = Histogram(
            "rolevec_batch_tokens", "Tokens in a batch, estimated.", ("model",), buckets=_TOKENS,
            registry=registry,
        )  # fmt: skip
        self._batch_seconds = Histogram(
            "rolevec_batch_seconds", "Time a batch took.", ("model",), buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self._queued = Gauge(
            "rolevec_queue_requests", "Requests that wait.", ("model",), registry=registry
        )
        self._queued_tokens = Gauge(
            "rolevec_queue_tokens", "Their tokens, estimated.", ("model",), registry=registry
        )
        # Finding a metric by its labels takes longer than counting; there are few of them.
        self._found: dict[tuple[Any, ...], Any] = {}

    def batches(self, model: str) -> Callable[[Batch], None]:
        """To be called for every batch of a model."""
        texts = self._batch_texts.labels(model)
        tokens = self._batch_tokens.labels(model)
        seconds = self._batch_seconds.labels(model)

        def observe(batch: Batch) -> None:
            texts.observe(batch.items)
            tokens.observe(batch.cost)
            seconds.observe(batch.seconds)

        return observe

    def watch(self, queues: Mapping[str, Queue]) -> None:
        """Show the length of queues, by model."""
        for model, queue in queues.items():
            self._queued.labels(model).set_function(partial(getattr, queue, "waiting_jobs"))
            self._queued_tokens.labels(model).set_function(partial(getattr, queue, "waiting_cost"))

    def answered(self, route: str, status: int, seconds: float, notes: Mapping[str, Any]) -> None:
        """Count an answer.

        Args:
            route: a known one, so that strangers cannot make up labels.
            status: of the answer.
            seconds: since the request came.
            notes: model, role, texts, tokens and truncated, as far as there are any.
        """
        role = notes.get("role", "")
        self._of(self._requests, route, str(status)).inc()
        self._of(self._latency, route, role).observe(seconds)
        model = notes.get("model")
        if model is None or status >= 300:
            return
        self._of(self._texts, model, role).inc(notes.get("texts", 0))
        self._of(self._tokens, model, role).inc(notes.get("tokens", 0))
        if "truncated" in notes:
            self._of(self._truncated, model).inc(notes["truncated"])

    def _of(self, metric: Any, *labels: str) -> Any:
        found = self._found.get((metric, *labels))
        if found is None:
            found = self._found[metric, *labels] = metric.labels(*labels)
        return found

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)
