"""Opening a collection once, when its dimension is known."""

from __future__ import annotations

import threading
from typing import Any, Self

from llama_index.core.base.embeddings.base import BaseEmbedding

from rolevec.encoders.foreign import VectorsOnly
from rolevec.encoders.protocol import Encoder
from rolevec.errors import CollectionNotFound
from rolevec.llama_index.foreign import encoder_of
from rolevec.qdrant.collection import Collection
from rolevec.qdrant.stores import Store, open_backend


class Opener:
    """Opens a collection on first use; safe to ask from many threads.

    Args:
        name: the collection's.
        store: see `Collection.open`.
        embed_model: makes the vectors; None if that is not known.
        api_key: for a server's URL; never pickled.
        create: make the collection if it is not there.
        **options: other keywords of `Collection.open`.
    """

    def __init__(
        self,
        name: str,
        store: Store,
        embed_model: BaseEmbedding | Encoder | None,
        *,
        api_key: str | None,
        create: bool,
        **options: Any,
    ) -> None:
        self._name, self._store, self._embed_model = name, store, embed_model
        self._api_key, self._create, self._options = api_key, create, options
        self._collection: Collection | None = None
        self._lock = threading.Lock()

    def open(self, dim: int | None = None, *, create: bool = True) -> Collection:
        """The collection.

        Args:
            dim: of vectors in hand, where no embed_model tells it.
            create: make it if it is not there and the store may.

        Raises:
            CollectionNotFound: not there, and not to be made or of unknown dimension.
            CollectionMismatch: it is another model's.
        """
        with self._lock:
            if self._collection is None:
                self._collection = Collection.open(
                    self._name,
                    self._encoder(dim),
                    store=self._store,
                    create=create and self._create,
                    api_key=self._api_key,
                    **self._options,
                )
            return self._collection

    def close(self) -> None:
        """Close the collection, if it is open."""
        with self._lock:
            if self._collection is not None:
                self._collection.close()
            self._collection = None

    def _encoder(self, dim: int | None) -> Encoder:
        if self._embed_model is not None:
            return encoder_of(self._embed_model)
        return VectorsOnly(dim if dim is not None else self._stored_dim())

    def _stored_dim(self) -> int:
        backend = open_backend(self._name, self._store, create=False, api_key=self._api_key)
        try:
            if not backend.exists():
                raise CollectionNotFound(
                    f"there is no collection {self._name!r} in {self._store} yet, and its dimension"
                    " is not known; add nodes first, or give embed_model="
                )
            return backend.shape().dim
        finally:
            backend.close()

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Opener) and self._settings() == other._settings()
        )

    __hash__ = None  # type: ignore[assignment]

    def _settings(self) -> tuple[Any, ...]:
        return self._name, self._store, self._embed_model, self._create, self._options

    def __deepcopy__(self, memo: object) -> Self:
        # A copy of a store is a view of the same collection.
        return self
