"""RolevecReranker: an encoder or a scorer as LangChain's document compressor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import ConfigDict, Field, PrivateAttr

from rolevec.documents import Hit
from rolevec.encoders.lazy import Lazy
from rolevec.encoders.protocol import Encoder
from rolevec.encoders.scoring import load_ranker, names_scorer
from rolevec.langchain.embeddings import RolevecEmbeddings
from rolevec.ranking.rerank import PairScorer, arerank, rerank


class RolevecReranker(BaseDocumentCompressor):
    """Orders documents by how well they answer the query, and keeps the best.

    Attributes:
        model: whatever `load_encoder` takes, scored by (1 + cosine) / 2 of query and document; or
            `load_scorer`: a cross-encoder, "late:MODEL", "cohere:rerank-…", "tei:URL".
        top_n: most documents to keep, at least 1; None keeps all.
        options: further options of the loader; of an encoder, those of `RolevecEmbeddings`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = "light"
    top_n: int | None = Field(default=3, ge=1)
    # May hold a key.
    options: dict[str, Any] = Field(default_factory=dict, repr=False, exclude=True)

    _lazy: Lazy[Encoder | PairScorer] = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Check the settings now; the model itself is loaded at first use."""
        if _is_encoder(self.model):
            RolevecEmbeddings(self.model, **self.options)
        self._lazy = Lazy(_load, self.model, self.options)

    @classmethod
    def from_scorer(cls, scorer: Encoder | PairScorer, *, top_n: int | None = 3) -> Self:
        """Wrap an encoder, or anything that scores a query against texts."""
        name = getattr(scorer, "name", type(scorer).__name__)
        reranker = cls(model=name, top_n=top_n)
        reranker._lazy = Lazy(_load, name, {}, scorer)
        return reranker

    @property
    def scorer(self) -> Encoder | PairScorer:
        """What scores; loaded at first use."""
        return self._lazy.get()

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """The best documents first, copies with ``metadata["relevance_score"]``, from 0 to 1.

        Raises:
            InvalidText: the query or a document is blank.
        """
        if not documents:
            return []
        texts = [document.page_content for document in documents]
        return _picked(documents, rerank(query, texts, self.scorer, k=self.top_n))

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """`compress_documents` without blocking the event loop."""
        if not documents:
            return []
        texts = [document.page_content for document in documents]
        hits = await arerank(query, texts, await self._lazy.aget(), k=self.top_n)
        return _picked(documents, hits)

    def __reduce__(self) -> tuple[Any, ...]:
        # A key does not travel: the other side reads it from its own environment.
        options = {name: value for name, value in self.options.items() if name != "api_key"}
        return _remade, (self.model, self.top_n, options, self._lazy.given)


def _remade(
    model: str, top_n: int | None, options: dict[str, Any], given: Encoder | PairScorer | None
) -> RolevecReranker:
    if given is not None:
        return RolevecReranker.from_scorer(given, top_n=top_n)
    return RolevecReranker(model=model, top_n=top_n, options=options)


def _is_encoder(model: str) -> bool:
    """True if the name is one of an encoder; only the server behind "tei:" knows what it is."""
    return not names_scorer(model) and not model.lower().startswith("tei:")


def _load(model: str, **options: Any) -> Encoder | PairScorer:
    if _is_encoder(model):
        return RolevecEmbeddings(model, **options).encoder
    return load_ranker(model, **options)


def _picked(documents: Sequence[Document], hits: Sequence[Hit]) -> list[Document]:
    return [_scored(documents[int(hit.id)], hit.score) for hit in hits]


def _scored(document: Document, score: float) -> Document:
    metadata = {**document.metadata, "relevance_score": score}
    return Document(id=document.id, page_content=document.page_content, metadata=metadata)
