"""RolevecVectorStore: a Collection behind LangChain's VectorStore."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy.typing as npt
from langchain_core.documents import Document as LangChainDocument
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from rolevec.documents import Document
from rolevec.encoders.foreign import ForeignEncoder
from rolevec.langchain.documents import identified_documents, identified_texts, to_langchain
from rolevec.langchain.foreign import encoder_of
from rolevec.qdrant.collection import Collection
from rolevec.qdrant.stores import DEFAULT_STORE, Store
from rolevec.vectors import cut_dimensions

if TYPE_CHECKING:
    from rolevec.qdrant.filters import Where

DEFAULT_COLLECTION = "langchain"


class RolevecVectorStore(VectorStore):
    """Documents in a Qdrant collection that knows its encoder.

    Args:
        embedding: any LangChain Embeddings; its identity is written into a new collection and
            held against an existing one.
        collection_name: name of the collection.
        store: a folder, ":memory:", a server's URL, or a QdrantClient.
        **options: of `Collection.open`: create, quantization, dimensions, indexed_fields, hybrid,
            api_key, adopt.

    Raises:
        CollectionMismatch: the collection was written by another encoder.
    """

    def __init__(
        self,
        embedding: Embeddings,
        *,
        collection_name: str,
        store: Store = DEFAULT_STORE,
        **options: Any,
    ) -> None:
        self._embedding = embedding
        self.collection = Collection.open(
            collection_name, encoder_of(embedding), store=store, **options
        )

    @property
    def embeddings(self) -> Embeddings:
        """The embeddings handed in."""
        return self._embedding

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        collection_name: str = DEFAULT_COLLECTION,
        store: Store = DEFAULT_STORE,
        batch_size: int = 256,
        **options: Any,
    ) -> Self:
        """Open a collection, or make it, and add texts; the arguments are those of the two."""
        made = cls(embedding, collection_name=collection_name, store=store, **options)
        try:
            made.add_texts(texts, metadatas, ids=ids, batch_size=batch_size)
        except BaseException:
            made.close()  # nobody else could, and an embedded store is held by one at a time
            raise
        return made

    # Writing

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        batch_size: int = 256,
        **kwargs: Any,
    ) -> list[str]:
        """Encode and write texts; returns their ids.

        Args:
            texts: what to add.
            metadatas: one mapping a text.
            ids: one a text; None, or a None among them, derives the id from text and metadata.
            batch_size: texts encoded and written at a time.
            **kwargs: none are known.
        """
        _refuse(kwargs)
        documents = identified_texts(texts, metadatas, ids)
        self.collection.add(documents, batch_size=batch_size)
        return [str(document.id) for document in documents]

    def add_documents(
        self,
        documents: list[LangChainDocument],
        *,
        ids: Sequence[str | None] | None = None,
        batch_size: int = 256,
        **kwargs: Any,
    ) -> list[str]:
        """Encode and write documents; ``ids`` win over the documents' own."""
        _refuse(kwargs)
        ours = identified_documents(documents, ids)
        self.collection.add(ours, batch_size=batch_size)
        return [str(document.id) for document in ours]

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        batch_size: int = 256,
        **kwargs: Any,
    ) -> list[str]:
        """`add_texts` without blocking the event loop."""
        _refuse(kwargs)
        return await self._aadd(identified_texts(texts, metadatas, ids), batch_size)

    async def aadd_documents(
        self,
        documents: list[LangChainDocument],
        *,
        ids: Sequence[str | None] | None = None,
        batch_size: int = 256,
        **kwargs: Any,
    ) -> list[str]:
        """`add_documents` without blocking the event loop."""
        _refuse(kwargs)
        return await self._aadd(identified_documents(documents, ids), batch_size)

    async def _aadd(self, documents: list[Document], batch_size: int) -> list[str]:
        encoder = self.collection.encoder
        if isinstance(encoder, ForeignEncoder):  # by its own async method
            if batch_size < 1:
                raise ValueError(f"batch_size={batch_size}; it must be at least 1")
            for start in range(0, len(documents), batch_size):
                batch = documents[start : start + batch_size]
                vectors = await encoder.aencode_documents([document.text for document in batch])
                cut = cut_dimensions(vectors, self.collection.dim)
                await self.collection.aadd_vectors(batch, cut)
        else:
            await self.collection.aadd(documents, batch_size=batch_size)
        return [str(document.id) for document in documents]

    def delete(
        self,
        ids: list[str] | None = None,
        *,
        filter: Where | None = None,
        where: Where | None = None,
        **kwargs: Any,
    ) -> bool | None:
        """Delete by id or by filter; ids that are not there are no error.

        Args:
            ids: what to delete.
            filter: a mapping over metadata or a Qdrant Filter, in place of ids.
            where: another word for ``filter``.
            **kwargs: none are known.

        Raises:
            ValueError: neither ids nor a filter (that does not delete everything), or both.
        """
        _refuse(kwargs)
        self.collection.delete(**_selection(ids, filter, where))
        return True

    async def adelete(
        self,
        ids: list[str] | None = None,
        *,
        filter: Where | None = None,
        where: Where | None = None,
        **kwargs: Any,
    ) -> bool | None:
        """`delete` without blocking the event loop."""
        _refuse(kwargs)
        await self.collection.adelete(**_selection(ids, filter, where))
        return True

    # Reading

    def get_by_ids(self, ids: Sequence[str], /) -> list[LangChainDocument]:
        """Documents by id; those that are not there are left out."""
        return [to_langchain(document) for document in self.collection.get(ids)]

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[LangChainDocument]:
        """`get_by_ids` without blocking the event loop."""
        return [to_langchain(document) for document in await self.collection.aget(ids)]

    def similarity_search(
        self, query: str, k: int = 4, filter: Where | None = None, **kwargs: Any
    ) -> list[LangChainDocument]:
        """The nearest documents.

        Args:
            query: what is looked for.
            k: most documents.
            filter: a mapping over metadata or a Qdrant Filter.
            **kwargs: score_threshold, rescore and hybrid, see `Collection.search`.
        """
        hits = self.collection.search(query, k=k, where=filter, **_search_options(kwargs))
        return [to_langchain(hit) for hit in hits]

    def similarity_search_with_score(
        self, query: str, k: int = 4, filter: Where | None = None, **kwargs: Any
    ) -> list[tuple[LangChainDocument, float]]:
        """The nearest documents with their cosine in [-1, 1]; a hybrid search scores by rank."""
        hits = self.collection.search(query, k=k, where=filter, **_search_options(kwargs))
        return [(to_langchain(hit), hit.score) for hit in hits]

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, filter: Where | None = None, **kwargs: Any
    ) -> list[LangChainDocument]:
        """The documents nearest to a vector."""
        found = self.similarity_search_with_score_by_vector(embedding, k, filter, **kwargs)
        return [document for document, _ in found]

    def similarity_search_with_score_by_vector(
        self, embedding: npt.ArrayLike, k: int = 4, filter: Where | None = None, **kwargs: Any
    ) -> list[tuple[LangChainDocument, float]]:
        """The documents nearest to a vector, with their cosine in [-1, 1]."""
        options = _search_options(kwargs)
        hits = self.collection.search_by_vector(embedding, k=k, where=filter, **options)
        return [(to_langchain(hit), hit.score) for hit in hits]

    async def asimilarity_search(
        self, query: str, k: int = 4, filter: Where | None = None, **kwargs: Any
    ) -> list[LangChainDocument]:
        """`similarity_search` without blocking the event loop."""
        found = await self.asimilarity_search_with_score(query, k, filter, **kwargs)
        return [document for document, _ in found]

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, filter: Where | None = None, **kwargs: Any
    ) -> list[tuple[LangChainDocument, float]]:
        """`similarity_search_with_score` without blocking the event loop."""
        vector = await self._aquery(query)
        options = _search_options(kwargs)
        hits = await self.collection.asearch_by_vector(
            vector, k=k, where=filter, text=query, **options
        )
        return [(to_langchain(hit), hit.score) for hit in hits]

    async def asimilarity_search_by_vector(
        self, embedding: list[float], k: int = 4, filter: Where | None = None, **kwargs: Any
    ) -> list[LangChainDocument]:
        """`similarity_search_by_vector` without blocking the event loop."""
        options = _search_options(kwargs)
        hits = await self.collection.asearch_by_vector(embedding, k=k, where=filter, **options)
        return [to_langchain(hit) for hit in hits]

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Where | None = None,
        **kwargs: Any,
    ) -> list[LangChainDocument]:
        """Relevant documents that differ; ``lambda_mult`` 0 is most diverse, 1 least."""
        _refuse(kwargs)
        hits = self.collection.diverse(
            query, k=k, fetch_k=fetch_k, diversity=1 - lambda_mult, where=filter
        )
        return [to_langchain(hit) for hit in hits]

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Where | None = None,
        **kwargs: Any,
    ) -> list[LangChainDocument]:
        """`max_marginal_relevance_search` with a vector in place of a text."""
        _refuse(kwargs)
        hits = self.collection.diverse_by_vector(
            embedding, k=k, fetch_k=fetch_k, diversity=1 - lambda_mult, where=filter
        )
        return [to_langchain(hit) for hit in hits]

    async def amax_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Where | None = None,
        **kwargs: Any,
    ) -> list[LangChainDocument]:
        """`max_marginal_relevance_search` without blocking the event loop."""
        return await self.amax_marginal_relevance_search_by_vector(
            (await self._aquery(query)).tolist(), k, fetch_k, lambda_mult, filter, **kwargs
        )

    async def amax_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Where | None = None,
        **kwargs: Any,
    ) -> list[LangChainDocument]:
        """`max_marginal_relevance_search_by_vector` without blocking the event loop."""
        _refuse(kwargs)
        hits = await self.collection.adiverse_by_vector(
            embedding, k=k, fetch_k=fetch_k, diversity=1 - lambda_mult, where=filter
        )
        return [to_langchain(hit) for hit in hits]

    async def _aquery(self, query: str) -> Any:
        vectors = await self.collection.encoder.aencode_queries([query])
        return cut_dimensions(vectors, self.collection.dim)[0]

    def _similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[LangChainDocument, float]]:
        _refuse_hybrid(kwargs)
        return super()._similarity_search_with_relevance_scores(query, k, **kwargs)

    async def _asimilarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[LangChainDocument, float]]:
        _refuse_hybrid(kwargs)
        return await super()._asimilarity_search_with_relevance_scores(query, k, **kwargs)

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda cosine: min(1.0, max(0.0, (cosine + 1) / 2))

    def close(self) -> None:
        """Let go of the store; twice is no error."""
        self.collection.close()


def _selection(ids: list[str] | None, filter: Where | None, where: Where | None) -> dict[str, Any]:
    given = [value for value in (ids, filter, where) if value is not None]
    if len(given) > 1:
        raise ValueError("say what to delete once: ids, or a filter")
    return {"ids": ids, "where": filter if where is None else where}


def _search_options(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The options of a search that LangChain spells differently, or not at all."""
    known = {"score_threshold": "min_score"} | {n: n for n in ("min_score", "rescore", "hybrid")}
    _refuse({name: value for name, value in kwargs.items() if name not in known})
    return {known[name]: value for name, value in kwargs.items()}


def _refuse_hybrid(kwargs: dict[str, Any]) -> None:
    if kwargs.get("hybrid"):
        raise ValueError(
            "relevance scores are cosines scaled to 0..1, and a hybrid search has none; use"
            " similarity_search, or leave hybrid out"
        )


def _refuse(kwargs: dict[str, Any]) -> None:
    if kwargs:
        raise TypeError(f"unknown arguments: {', '.join(sorted(kwargs))}")
