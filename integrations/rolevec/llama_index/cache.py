"""LlamaIndex's embeddings cache, kept apart by model and role."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from llama_index.core.storage.kvstore.types import DEFAULT_COLLECTION, BaseKVStore

from rolevec.encoders.lazy import Lazy
from rolevec.encoders.protocol import Encoder
from rolevec.roles import Role

_ROLE: ContextVar[Role] = ContextVar("rolevec_cache_role", default=Role.DOCUMENT)


@contextmanager
def cached_as(role: Role) -> Iterator[None]:
    """Look up and store vectors under this role for as long as the context lasts."""
    token = _ROLE.set(role)
    try:
        yield
    finally:
        _ROLE.reset(token)


class CachedQueries:
    """A base before ``BaseEmbedding`` that has queries cached as queries.

    LlamaIndex makes a span of each overriding method of its own subclasses, and this is none: one
    query is one span.
    """

    def get_query_embedding(self, query: str) -> list[float]:
        """Embed a query."""
        with cached_as(Role.QUERY):
            vector: list[float] = super().get_query_embedding(query)  # type: ignore[misc]
            return vector

    async def aget_query_embedding(self, query: str) -> list[float]:
        """Embed a query without blocking the event loop."""
        with cached_as(Role.QUERY):
            vector: list[float] = await super().aget_query_embedding(query)  # type: ignore[misc]
            return vector


class RoleCache(BaseKVStore):
    """A view of a key-value store in which the collection's name holds fingerprint and role.

    LlamaIndex looks vectors up by text alone, in one collection for queries, documents and every
    model.

    Args:
        store: where the vectors are kept.
        encoder: whose vectors they are.
    """

    def __init__(self, store: BaseKVStore, encoder: Lazy[Encoder]) -> None:
        self.store = store
        self._encoder = encoder

    def _place(self, collection: str) -> str:
        return f"{collection}/{self._encoder.get().fingerprint.digest}/{_ROLE.get().value}"

    def put(self, key: str, val: dict[str, Any], collection: str = DEFAULT_COLLECTION) -> None:
        """Store under the current role."""
        self.store.put(key, val, self._place(collection))

    async def aput(
        self, key: str, val: dict[str, Any], collection: str = DEFAULT_COLLECTION
    ) -> None:
        """As `put`."""
        await self.store.aput(key, val, self._place(collection))

    def get(self, key: str, collection: str = DEFAULT_COLLECTION) -> dict[str, Any] | None:
        """Look up under the current role."""
        return self.store.get(key, self._place(collection))

    async def aget(self, key: str, collection: str = DEFAULT_COLLECTION) -> dict[str, Any] | None:
        """As `get`."""
        return await self.store.aget(key, self._place(collection))

    def get_all(self, collection: str = DEFAULT_COLLECTION) -> dict[str, dict[str, Any]]:
        """All entries of the current role."""
        return self.store.get_all(self._place(collection))

    async def aget_all(self, collection: str = DEFAULT_COLLECTION) -> dict[str, dict[str, Any]]:
        """As `get_all`."""
        return await self.store.aget_all(self._place(collection))

    def delete(self, key: str, collection: str = DEFAULT_COLLECTION) -> bool:
        """Forget an entry of the current role."""
        return self.store.delete(key, self._place(collection))

    async def adelete(self, key: str, collection: str = DEFAULT_COLLECTION) -> bool:
        """As `delete`."""
        return await self.store.adelete(key, self._place(collection))
