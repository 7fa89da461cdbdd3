"""`RolevecRerank`: an encoder, or a pair scorer, as LlamaIndex's reranker."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from llama_index.core.bridge.pydantic import ConfigDict, Field, PrivateAttr, field_serializer
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
from llama_index_instrumentation import get_dispatcher

from rolevec.encoders.protocol import Encoder
from rolevec.llama_index.lazy import LazyEncoder
from rolevec.ranking.rerank import PairScorer, rerank

_DISPATCHER = get_dispatcher(__name__)


class RolevecRerank(BaseNodePostprocessor):
    """Orders nodes by how well they answer the query, and keeps the best.

    A node is scored by its text with the metadata that is meant for embedding. The nodes given
    are left as they are.

    Args:
        model: whatever `load_encoder` takes; the score is the cosine of query and node.
        top_n: most nodes to keep; None keeps all.
        options: further options of `load_encoder`.
        scorer: a loaded encoder, or anything with ``score(query, texts)``, in place of ``model``.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    model: str = Field(default="light", frozen=True)
    top_n: int | None = Field(default=3, ge=1)
    options: dict[str, Any] = Field(default_factory=dict, repr=False, frozen=True)

    _lazy: LazyEncoder = PrivateAttr()
    _scorer: Encoder | PairScorer | None = PrivateAttr(default=None)

    def __init__(
        self,
        model: str | Path = "light",
        *,
        scorer: Encoder | PairScorer | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(model=str(model), **settings)  # type: ignore[call-arg]
        self._lazy = LazyEncoder(self.model, self.options)
        self._scorer = scorer

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
        return self._lazy.get() if self._scorer is None else self._scorer

    @field_serializer("options")
    def _without_secrets(self, options: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in options.items() if name != "api_key"}

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise ValueError("reranking needs the query; pass query_str= or query_bundle=")
        if not nodes:
            return []
        most = len(nodes) if self.top_n is None else self.top_n
        query = query_bundle.query_str
        _DISPATCHER.event(
            ReRankStartEvent(query=query, nodes=nodes, top_n=most, model_name=self.model)
        )
        payload: dict[str, Any] = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: self.model,
            EventPayload.QUERY_STR: query,
            EventPayload.TOP_K: most,
        }
        with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
            best = self._best(query, nodes)
            event.on_end(payload={EventPayload.NODES: best})
        _DISPATCHER.event(ReRankEndEvent(nodes=best))
        return best

    def _best(self, query: str, nodes: list[NodeWithScore]) -> list[NodeWithScore]:
        texts = [node.node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]
        hits = rerank(query, texts, self.scorer, k=self.top_n)
        return [NodeWithScore(node=nodes[int(hit.id)].node, score=hit.score) for hit in hits]

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state["__dict__"] = {**state["__dict__"], "options": self._without_secrets(self.options)}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        # LlamaIndex's own would lose the scorer that was handed in.
        private = state.get("__pydantic_private__") or {}
        type(self).__init__(self, scorer=private.get("_scorer"), **state["__dict__"])
