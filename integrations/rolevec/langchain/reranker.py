"""RolevecReranker: an encoder as LangChain's document compressor."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Self

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import ConfigDict, Field, PrivateAttr

from rolevec.encoders.protocol import Encoder
from rolevec.langchain.embeddings import RolevecEmbeddings
from rolevec.ranking.rerank import PairScorer, rerank


class RolevecReranker(BaseDocumentCompressor):
    """Orders documents by how well they answer the query, and keeps the best.

    Attributes:
        model: whatever `load_encoder` takes; the score is the cosine of query and document.
        top_n: most documents to keep, at least 1; None keeps all.
        options: further settings of `RolevecEmbeddings`, which loads the model.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = "light"
    top_n: int | None = Field(default=3, ge=1)
    # May hold a key.
    options: dict[str, Any] = Field(default_factory=dict, repr=False, exclude=True)

    _embeddings: RolevecEmbeddings = PrivateAttr()
    _scorer: Encoder | PairScorer | None = PrivateAttr(default=None)

    def model_post_init(self, context: Any, /) -> None:
        """Check the settings now; the model itself is loaded at first use."""
        self._embeddings = RolevecEmbeddings(self.model, **self.options)

    @classmethod
    def from_scorer(cls, scorer: Encoder | PairScorer, *, top_n: int | None = 3) -> Self:
        """Wrap an encoder, or anything that scores a query against texts."""
        reranker = cls(model=getattr(scorer, "name", type(scorer).__name__), top_n=top_n)
        reranker._scorer = scorer
        return reranker

    @property
    def scorer(self) -> Encoder | PairScorer:
        """What scores; loaded at first use."""
        return self._embeddings.encoder if self._scorer is None else self._scorer

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """The best documents first, copies with ``metadata["relevance_score"]``.

        Raises:
            InvalidText: the query or a document is blank.
        """
        if not documents:
            return []
        hits = rerank(query, [d.page_content for d in documents], self.scorer, k=self.top_n)
        return [_scored(documents[int(hit.id)], hit.score) for hit in hits]

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """`compress_documents` without blocking the event loop."""
        return await asyncio.to_thread(self.compress_documents, documents, query, callbacks)


def _scored(document: Document, score: float) -> Document:
    metadata = {**document.metadata, "relevance_score": score}
    return Document(id=document.id, page_content=document.page_content, metadata=metadata)
