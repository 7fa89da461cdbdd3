"""``store=``: a folder, ":memory:", a server's URL or a client, and the backend behind each."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rolevec.errors import CollectionNotFound, RolevecError
from rolevec.qdrant.backends.protocol import Backend

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

Store: TypeAlias = "str | Path | QdrantClient"

DEFAULT_STORE = "./rolevec-data"
MEMORY = ":memory:"

# The characters a Qdrant server refuses; on disk they would leave the store's folder.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')


def open_backend(name: str, store: Store, *, create: bool, api_key: str | None) -> Backend:
    """The backend of one collection; nothing is created in it yet.

    Args:
        name: name of the collection.
        store: a folder (Qdrant Edge), ":memory:" (local mode, private to the caller), an http(s)
            URL, or a QdrantClient, which stays the caller's to close.
        create: make the folder of an embedded store if it is missing.
        api_key: for a URL; None reads ``QDRANT_API_KEY``.

    Raises:
        ValueError: the name cannot be a collection's.
        CollectionNotFound: an embedded store that is not there, and ``create`` is False.
        CollectionBusy: another process has the embedded store open.
    """
    check_name(name)
    if isinstance(store, (str, Path)) and not is_client_store(store):
        from rolevec.qdrant.backends.edge import EdgeBackend

        return EdgeBackend(Path(store) / name, create=create)
    from rolevec.qdrant.backends.client import ClientBackend

    if isinstance(store, (str, Path)):
        return ClientBackend(_connect(str(store), api_key), name, own=True)
    if not hasattr(store, "query_batch_points"):
        raise TypeError(
            f"store is a {type(store).__name__}; it must be a folder, {MEMORY!r}, a URL or a"
            " QdrantClient"
        )
    return ClientBackend(store, name, own=False)


def is_client_store(store: str | Path) -> bool:
    """True for ":memory:" and URLs, False for folders."""
    return str(store) == MEMORY or str(store).startswith(("http://", "https://"))


def _connect(store: str, api_key: str | None) -> QdrantClient:
    from qdrant_client import QdrantClient

    if store == MEMORY:
        return QdrantClient(MEMORY)
    return QdrantClient(url=store, api_key=api_key or os.environ.get("QDRANT_API_KEY"))


def list_collections(store: Store = DEFAULT_STORE, *, api_key: str | None = None) -> list[str]:
    """Names of the collections in a store, sorted; an embedded store need not be free.

    Raises:
        CollectionNotFound: the folder is not there.
    """
    if isinstance(store, (str, Path)) and not is_client_store(store):
        from rolevec.qdrant.backends.edge import edge_collections

        if not Path(store).is_dir():
            raise CollectionNotFound(f"there is no store at {store}")
        return edge_collections(Path(store))
    if isinstance(store, (str, Path)):
        if str(store) == MEMORY:
            raise RolevecError(
                f"each {MEMORY!r} store is private; pass the QdrantClient you opened"
            )
        client = _connect(str(store), api_key)
        try:
            return list_collections(client)
        finally:
            client.close()
    from rolevec.qdrant.backends.client_successor import shown_names

    return shown_names(lambda use: use(store))


def check_name(name: str) -> None:
    """Raise ValueError unless ``name`` can name a collection everywhere."""
    if not isinstance(name, str) or not 0 < len(name) <= 255 or name.startswith("."):
        raise ValueError(f"{name!r} cannot name a collection: 1 to 255 characters, no leading dot")
    if found := _FORBIDDEN.search(name):
        raise ValueError(f"{name!r} cannot name a collection: it holds {found.group()!r}")
