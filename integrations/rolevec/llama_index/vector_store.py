"""`RolevecVectorStore`: a collection as LlamaIndex's vector store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import ConfigDict, Field, SecretStr
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)

from rolevec.encoders.protocol import Encoder
from rolevec.errors import CollectionNotFound, InvalidVector
from rolevec.llama_index.filters import EVERYTHING, Filter, from_documents, to_where
from rolevec.llama_index.nodes import document_of_node, keys_of_node, node_of_point
from rolevec.llama_index.opening import Opener
from rolevec.llama_index.querying import check_query, needs_vector, run
from rolevec.qdrant.adding import identify_all
from rolevec.qdrant.collection import Collection
from rolevec.qdrant.identity import Quantization
from rolevec.qdrant.ids import listed_ids, point_id
from rolevec.qdrant.stores import DEFAULT_STORE
from rolevec.ranking.lexical import Bm25
from rolevec.vectors import cut_dimensions, unit_rows


class RolevecVectorStore(BasePydanticVectorStore):
    """Nodes in a collection that LangChain's stores and plain `Collection` read as well.

    Vectors arrive ready-made from LlamaIndex. What the collection remembers as their maker, and
    what it is compared with on opening, adding and searching, is ``embed_model``; without one only
    the dimension is held to. With an embed_model the collection is opened at once, without one
    when it is first used.

    Args:
        collection_name: name of the collection.
        store: a folder (embedded), ":memory:", a server's URL or a ``QdrantClient``.
        embed_model: the embedding that makes the vectors: ours, another LlamaIndex embedding
            (known by class, model name and dimension), or an encoder.
        create, quantization, dimensions, indexed_fields, hybrid, api_key, adopt: see
            `Collection.open`.

    Raises:
        CollectionMismatch: the collection was written by another model.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    stores_text: bool = True
    flat_metadata: bool = False
    collection_name: str = Field(frozen=True)
    store: Any = Field(default=DEFAULT_STORE, frozen=True)
    embed_model: Any | None = Field(default=None, exclude=True, repr=False, frozen=True)
    create: bool = Field(default=True, frozen=True)
    quantization: Quantization | None = Field(default=None, frozen=True)
    dimensions: int | None = Field(default=None, frozen=True)
    indexed_fields: dict[str, str] = Field(default_factory=dict, frozen=True)
    hybrid: bool | Bm25 = Field(default=False, frozen=True)
    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False, frozen=True)
    adopt: bool = Field(default=False, frozen=True)

    _opener: Opener

    def __init__(
        self,
        collection_name: str,
        *,
        store: str | Path | Any = DEFAULT_STORE,
        embed_model: BaseEmbedding | Encoder | None = None,
        **options: Any,
    ) -> None:
        settings = {"store": store, "embed_model": embed_model, **options}
        super().__init__(collection_name=collection_name, **settings)  # type: ignore[call-arg]
        key = self.api_key.get_secret_value() if self.api_key else None
        self._opener = Opener(
            collection_name,
            store,
            embed_model,
            api_key=key,
            create=self.create,
            quantization=self.quantization,
            dimensions=self.dimensions,
            indexed_fields=self.indexed_fields,
            hybrid=self.hybrid,
            adopt=self.adopt,
        )
        if embed_model is not None:
            self._opener.open()

    @classmethod
    def class_name(cls) -> str:
        """The name LlamaIndex serialises under."""
        return "RolevecVectorStore"

    @property
    def client(self) -> Any:
        """The ``QdrantClient`` that was handed in, else the collection."""
        return self.store if hasattr(self.store, "query_points") else self.collection

    @property
    def collection(self) -> Collection:
        """The collection, opened if it was not yet.

        Raises:
            CollectionNotFound: not there, and no embed_model tells the dimension of a new one.
        """
        return self._opener.open()

    # Writing

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Write nodes with their embeddings; an equal id replaces.

        Returns:
            The nodes' ids.

        Raises:
            ValueError: a node has no embedding.
            InvalidVector: embeddings of different length, NaN, infinity or zero length.
            InvalidDocument, InvalidText: an id, text or metadata that cannot be stored and read
                back unchanged; as after any error here, nothing is written.
        """
        if not nodes:
            return []
        # All is checked first: a refused call must not leave a new collection behind, which might
        # have the wrong dimension for good.
        documents = identify_all([document_of_node(node) for node in nodes], blank=True)
        vectors = unit_rows([node.get_embedding() for node in nodes])
        keys = [keys_of_node(node) for node in nodes]
        collection = self._opener.open(vectors.shape[1])
        collection.add_vectors(documents, self._cut(collection, vectors), nodes=keys)
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete the nodes of a source document; one that is not there is no error."""
        self._delete(from_documents([ref_doc_id]))

    def delete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """Delete the nodes that have one of the ids and match the filters.

        Raises:
            ValueError: neither ids nor filters select anything; `clear` deletes all.
        """
        where = to_where(filters, node_ids=node_ids)
        if where is None:
            raise ValueError("say what to delete: node_ids or filters; clear() deletes everything")
        self._delete(where)

    def clear(self) -> None:
        """Delete all nodes; the collection stays, and with it what made its vectors."""
        self._delete(EVERYTHING)

    def _delete(self, where: Filter) -> None:
        collection = self._existing()
        if collection is not None:
            collection.delete(where=where)

    # Reading

    def get_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """The nodes that have one of the ids and match the filters; all of them without either."""
        collection = self._existing()
        if collection is None:
            return []
        points = collection.scroll_points(to_where(filters, node_ids=node_ids))
        nodes = [node_of_point(point.id, point.payload) for point in points]
        if node_ids is not None:
            places = {point_id(i): place for place, i in enumerate(listed_ids(node_ids))}
            nodes.sort(key=lambda node: places[point_id(node.node_id)])
        return nodes

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """The nodes nearest to a query vector.

        Args:
            query: mode "default" or "mmr"; of a hybrid collection also "hybrid" and "sparse", by
                the words of ``query_str``. For "mmr", ``mmr_threshold`` is 1 for relevance alone
                and 0 for unlikeness alone (0.5 if not given). For "hybrid", ``alpha`` is 1 for
                vectors alone and 0 for words alone, and there are ``hybrid_top_k`` nodes, as many
                as ``similarity_top_k`` if not given. Similarities are cosines, but sums of
                reciprocal ranks for "hybrid" and BM25 for "sparse".
            **kwargs: ``mmr_threshold``, ``mmr_prefetch_k`` (candidates to choose from) or
                ``mmr_prefetch_factor`` (the same, times similarity_top_k; 4 and at least 50
                candidates if not given).

        Raises:
            UnsupportedByBackend: another mode, or the collection is not hybrid.
            CollectionMismatch: the vector, or embed_model, does not fit the collection.
        """
        check_query(query, kwargs)
        vector = self._query_vector(query) if needs_vector(query) else None
        collection = self._existing(None if vector is None else len(vector))
        if collection is None:
            return VectorStoreQueryResult(nodes=[], similarities=[], ids=[])
        row = None if vector is None else self._cut(collection, vector)
        return run(collection, row, query, kwargs)

    def _query_vector(self, query: VectorStoreQuery) -> npt.NDArray[np.float32]:
        if query.query_embedding is not None:
            rows = unit_rows(query.query_embedding)
            if len(rows) != 1:
                raise InvalidVector(f"query_embedding holds {len(rows)} vectors, not one")
            only: npt.NDArray[np.float32] = rows[0]
            return only
        if query.query_str is None or self.embed_model is None:
            raise ValueError(
                "the query has no query_embedding; give one, or a query_str to a store that was"
                " opened with embed_model="
            )
        row: npt.NDArray[np.float32] = self.collection.encoder.encode_queries([query.query_str])[0]
        return row

    def _existing(self, dim: int | None = None) -> Collection | None:
        """The collection, or None if there is none yet and reading should not make it."""
        try:
            return self._opener.open(dim, create=False)
        except CollectionNotFound:
            if not self.create:
                raise
            return None

    def _cut(self, collection: Collection, vectors: npt.ArrayLike) -> npt.ArrayLike:
        """Vectors of the model's dimension, in the collection's."""
        full = collection.encoder.dim
        if collection.dim == full or np.shape(vectors)[-1] != full:
            return vectors
        return cut_dimensions(unit_rows(vectors, full), collection.dim)

    # Async: the same in a thread, so that the event loop goes on

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """`add` in a thread."""
        return await asyncio.to_thread(partial(self.add, nodes, **kwargs))

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """`delete` in a thread."""
        await asyncio.to_thread(partial(self.delete, ref_doc_id, **delete_kwargs))

    async def adelete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """`delete_nodes` in a thread."""
        await asyncio.to_thread(partial(self.delete_nodes, node_ids, filters, **delete_kwargs))

    async def aclear(self) -> None:
        """`clear` in a thread."""
        await asyncio.to_thread(self.clear)

    async def aget_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """`get_nodes` in a thread."""
        return await asyncio.to_thread(self.get_nodes, node_ids, filters)

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """`query` in a thread."""
        return await asyncio.to_thread(partial(self.query, query, **kwargs))

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        # A copy is a view of the same collection.
        return self.model_copy()

    def __reduce__(self) -> tuple[Any, ...]:
        if hasattr(self.store, "query_points"):
            raise TypeError(
                "a store opened with a QdrantClient cannot be pickled; open it with a URL or folder"
            )
        names = type(self).model_fields.keys() - {"api_key", "collection_name"}
        settings = {name: getattr(self, name) for name in names}
        return _reopen, (type(self), self.collection_name, settings)

    def close(self) -> None:
        """Let go of the store; using it again opens it again."""
        self._opener.close()


def _reopen(
    cls: type[RolevecVectorStore], name: str, settings: dict[str, Any]
) -> RolevecVectorStore:
    return cls(name, **settings)
