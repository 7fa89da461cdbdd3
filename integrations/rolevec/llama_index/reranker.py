"""`RolevecRerank`: an encoder or a scorer as LlamaIndex's reranker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from llama_index.core.bridge.pydantic import ConfigDict, Field, PrivateAttr, field_serializer
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
from llama_index_instrumentation import get_dispatcher

from rolevec.documents import Hit
from rolevec.encoders.lazy import Lazy
from rolevec.encoders.protocol import Encoder
from rolevec.encoders.scoring import load_ranker
from rolevec.ranking.rerank import PairScorer, arerank, rerank

_DISPATCHER = get_dispatcher(__name__)


class RolevecRerank(BaseNodePostprocessor):
    """Orders nodes by how well they answer the query, and keeps the best.

    A node is scored by its text with the metadata that is meant for embedding. The nodes given
    are left as they are.

    Args:
        model: whatever `load_encoder` takes, scored by (1 + cosine) / 2 of query and node; or
            `load_scorer`: a cross-encoder, "late:MODEL", "cohere:rerank-…", "tei:URL". All scores
            lie between 0 and 1.
        top_n: most nodes to keep; None keeps all.
        options: further options of the loader.
        scorer: a loaded encoder, or anything with ``score(query, texts)``, in place of ``model``.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    model: str = Field(default="light", frozen=True)
    top_n: int | None = Field(default=3, ge=1)
    options: dict[str, Any] = Field(default_factory=dict, repr=False, frozen=True)

    _lazy: Lazy[Encoder | PairScorer] = PrivateAttr()

    def __init__(
        self,
        model: str | Path = "light",
        *,
        scorer: Encoder | PairScorer | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(model=str(model), **settings)  # type: ignore[call-arg]
        self._lazy = Lazy(load_ranker, self.model, self.options, scorer)

    @classmethod
    def from_scorer(cls, scorer: Encoder | PairScorer, **settings: Any) -> Self:
        """Wrap a loaded encoder, or anything that scores a query against texts."""
        return cls(getattr(scorer, "name", type(scorer).__name__), scorer=scorer, **settings)

    @classmethod
    def class_name(cls) -> str:
        """The name LlamaIndex serialises under."""
        return "RolevecRerank"

    @property
    def scorer(self) -> Encoder | PairScorer:
        """What scores; loaded if it was not yet."""
        return self._lazy.get()

    @field_serializer("options")
    def _without_secrets(self, options: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in options.items() if name != "api_key"}

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if not nodes:
            return []
        query = _query(query_bundle)
        with self._told(query, nodes) as best:
            hits = rerank(query, _texts(nodes), self.scorer, k=self.top_n)
            best.extend(_picked(nodes, hits))
        return best

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if not nodes:
            return []
        query = _query(query_bundle)
        with self._told(query, nodes) as best:
            hits = await arerank(query, _texts(nodes), await self._lazy.aget(), k=self.top_n)
            best.extend(_picked(nodes, hits))
        return best

    @contextmanager
    def _told(self, query: str, nodes: list[NodeWithScore]) -> Iterator[list[NodeWithScore]]:
        """Tell listeners of the start and the end; what is put into the list is the result."""
        most = len(nodes) if self.top_n is None else self.top_n
        _DISPATCHER.event(
            ReRankStartEvent(query=query, nodes=nodes, top_n=most, model_name=self.model)
        )
        payload: dict[str, Any] = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: self.model,
            EventPayload.QUERY_STR: query,
            EventPayload.TOP_K: most,
        }
        best: list[NodeWithScore] = []
        with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
            yield best
            event.on_end(payload={EventPayload.NODES: best})
        _DISPATCHER.event(ReRankEndEvent(nodes=best))

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state["__dict__"] = {**state["__dict__"], "options": self._without_secrets(self.options)}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        # LlamaIndex's own would lose the scorer that was handed in.
        lazy = (state.get("__pydantic_private__") or {}).get("_lazy")
        type(self).__init__(self, scorer=lazy and lazy.given, **state["__dict__"])


def _query(query_bundle: QueryBundle | None) -> str:
    if query_bundle is None:
        raise ValueError("reranking needs the query; pass query_str= or query_bundle=")
    return query_bundle.query_str


def _texts(nodes: list[NodeWithScore]) -> list[str]:
    return [node.node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]


def _picked(nodes: list[NodeWithScore], hits: Sequence[Hit]) -> list[NodeWithScore]:
    return [NodeWithScore(node=nodes[int(hit.id)].node, score=hit.score) for hit in hits]
