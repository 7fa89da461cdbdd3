"""A QdrantClient: a server, or local mode in memory."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException

from rolevec.errors import RolevecError, UnsupportedByBackend
from rolevec.qdrant.backends.client_config import (
    compression,
    id_of,
    is_local,
    placed,
    placement_of,
    plain_vector,
    point_of,
    search_params,
    sparse_config,
    sparse_vector,
    vectors_of,
)
from rolevec.qdrant.backends.client_successor import (
    MOVED,
    OF,
    current_name,
    drop_replaced,
    free_name,
    next_name,
    switch,
)
from rolevec.qdrant.backends.gate import Gate, Moved, gate_of, matching
from rolevec.qdrant.backends.protocol import (
    SPARSE,
    Capability,
    IndexType,
    Point,
    Rescoring,
    Shape,
    Spec,
)
from rolevec.qdrant.backends.refusals import translated
from rolevec.qdrant.backends.shard_keys import Key, ShardKeys, erase, write
from rolevec.qdrant.identity import About
from rolevec.qdrant.ids import PointId
from rolevec.qdrant.placement import ServerOptions
from rolevec.ranking.lexical import Sparse

T = TypeVar("T")

# Where the record stands in the collection's metadata.
_RECORD = "rolevec"
# Another process may replace a collection on a server; a record read this recently is believed.
_BELIEVED_SECONDS = 5.0
# A server accepts requests up to 32 MB by default.
_UPSERT_POINTS = 256

_LOCKS: WeakKeyDictionary[QdrantClient, threading.RLock] = WeakKeyDictionary()
_LOCKS_GUARD = threading.Lock()


class ClientBackend:
    """One collection behind a client.

    Args:
        client: stays open unless ``own`` is set.
        collection: name of the collection.
        own: close the client with this object.
        successor: the collection itself, and not what took its place since.
    """

    def __init__(
        self, client: QdrantClient, collection: str, *, own: bool, successor: str | None = None
    ) -> None:
        self._client, self._own = client, own
        self._name, self._collection = collection, successor or collection
        self._local = is_local(client)
        self.name = "memory" if self._local else "server"
        self.capabilities: frozenset[Capability] = (
            frozenset({"hybrid"})
            if self._local
            else frozenset({"quantization", "persistence", "shared", "hybrid", "placement"})
        )
        # Local mode loses points when two threads are inside it, readers included.
        self._lock = _lock_of(client) if self._local else None
        self._closed = False
        self._read: tuple[float, About | None] | None = None
        self._outlives = False
        # Of no collection yet; that of the name's first one may say that it moved.
        self.gate = Gate()
        if successor is None:
            self._follow()
        self.gate = gate_of(client, self._collection)
        self._keys = ShardKeys(self._call, self._collection)

    def _follow(self) -> None:
        """Find the collection that has the name now, after migrations."""
        try:
            self._collection = current_name(self._call, self._name)
        except BaseException:
            self.close()
            raise

    @property
    def address(self) -> str | None:
        """Where the server is; None in local mode."""
        if self._local:
            return None
        options = self._client.init_options
        return str(options.get("url") or f"{options.get('host')}:{options.get('port')}")

    @property
    def reach(self) -> dict[str, Any] | None:
        """Options of a client for the same server; None in local mode."""
        return None if self._local else dict(self._client.init_options)

    def _call(self, use: Callable[[QdrantClient], T]) -> T:
        if self._closed:
            raise RolevecError(f"the collection {self._name!r} is closed; open it again")
        if self.gate.moved and not self._outlives:
            raise Moved(self._name)
        try:
            if self._lock is None:
                return use(self._client)
            with self._lock, warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Payload indexes have no effect")
                return use(self._client)
        except (ApiException, ValueError) as error:
            raise translated(error, self._collection) from error

    def exists(self) -> bool:
        return self._call(lambda client: client.collection_exists(self._collection))

    def create(self, spec: Spec) -> None:
        quantization = spec.about.quantization
        if quantization is not None and "quantization" not in self.capabilities:
            raise UnsupportedByBackend(
                f"quantization={quantization!r}: local mode stores full vectors only;"
                " use a folder (Qdrant Edge) or a server as store="
            )
        self._call(
            lambda client: client.create_collection(
                self._collection,
                vectors_config=models.VectorParams(
                    size=spec.dim,
                    distance=models.Distance.COSINE,
                    on_disk=spec.server.on_disk_vectors,
                ),
                sparse_vectors_config=sparse_config(spec.about.bm25),
                quantization_config=compression(quantization),
                metadata={
                    _RECORD: spec.about.to_dict(),
                    **({OF: self._name} if self._collection != self._name else {}),
                },
                **placed(spec.server),
            )
        )
        self.gate = gate_of(self._client, self._collection, new=True)
        for path, kind in spec.indexes.items():
            self.create_index(path, kind)

    def _info(self) -> models.CollectionInfo:
        return self._call(lambda client: client.get_collection(self._collection))

    def shape(self) -> Shape:
        vectors = self._info().config.params.vectors
        if isinstance(vectors, dict):
            vectors = vectors.get("")
        if vectors is None:
            raise UnsupportedByBackend(
                f"the collection {self._collection!r} has named vectors only; rolevec keeps one"
                " unnamed vector a point"
            )
        return Shape(vectors.size, vectors.distance.value)

    def placement(self) -> ServerOptions:
        if self._local:
            return ServerOptions()
        return placement_of(self._info(), self._spread_by())

    def _spread_by(self) -> str | None:
        """Metadata field that names the shard of a document."""
        about = None if self._local else self.about()
        return None if about is None else about.shard_key

    def _asked(self, where: models.Filter | None) -> list[Key] | None:
        """Shard keys to ask; None for all."""
        field = self._spread_by()
        return None if field is None else self._keys.asked(where, field)

    def about(self) -> About | None:
        if self._local:
            return self._record()
        now = time.monotonic()
        if self._read is None or now - self._read[0] > _BELIEVED_SECONDS:
            self._read = (now, self._record())
        return self._read[1]

    def _record(self) -> About | None:
        metadata = self._info().config.metadata or {}
        if metadata.get(MOVED) and not self._outlives:
            raise Moved(self._name)
        record = metadata.get(_RECORD)
        return About.from_dict(record) if record else None

    def write_about(self, about: About) -> None:
        record = {_RECORD: about.to_dict()}
        self._call(lambda client: client.update_collection(self._collection, metadata=record))
        self._read = None

    def create_index(self, path: str, kind: IndexType) -> None:
        schema = models.PayloadSchemaType(kind)
        self._call(lambda client: client.create_payload_index(self._collection, path, schema))

    def upsert(self, points: Sequence[Point]) -> None:
        about = self.about()
        bm25, field = (about.bm25, self._spread_by()) if about else (None, None)
        structs = [
            models.PointStruct(id=p.id, vector=vectors_of(p, bm25), payload=dict(p.payload))
            for p in points
        ]
        with self.gate.writing(self._name) as changed:
            changed.update(p.id for p in points)
            for start in range(0, len(structs), _UPSERT_POINTS):
                part = structs[start : start + _UPSERT_POINTS]
                if field is None:
                    write(self._call, self._collection, part)
                else:
                    self._keys.upsert(part, field)

    def query(
        self,
        vectors: npt.NDArray[np.float32],
        limit: int,
        where: models.Filter | None,
        *,
        with_vectors: bool = False,
        with_payloads: bool = True,
        rescoring: Rescoring | None = None,
    ) -> list[list[Point]]:
        return self._query(
            map(plain_vector, vectors), where, limit=limit, with_payload=with_payloads,
            with_vector=with_vectors, params=search_params(rescoring),
        )  # fmt: skip

    def query_sparse(
        self,
        vectors: Sequence[Sparse],
        limit: int,
        where: models.Filter | None,
        *,
        with_payloads: bool = True,
    ) -> list[list[Point]]:
        return self._query(
            map(sparse_vector, vectors), where, limit=limit, with_payload=with_payloads,
            using=SPARSE,
        )  # fmt: skip

    def _query(
        self, queries: Iterable[Any], where: models.Filter | None, **settings: Any
    ) -> list[list[Point]]:
        """Points for each query, all asked in one request with the same settings."""
        keys = self._asked(where)
        requests = [
            models.QueryRequest(query=query, filter=where, shard_key=keys, **settings)
            for query in queries
        ]
        if keys == []:
            return [[] for _ in requests]
        found = self._call(lambda client: client.query_batch_points(self._collection, requests))
        return [[point_of(point) for point in response.points] for response in found]

    def retrieve(self, ids: Sequence[PointId], *, with_vectors: bool = False) -> list[Point]:
        found = self._call(
            lambda client: client.retrieve(
                self._collection, list(ids), with_payload=True, with_vectors=with_vectors
            )
        )
        return [point_of(record) for record in found]

    def scroll(
        self,
        where: models.Filter | None,
        limit: int,
        offset: PointId | None,
        *,
        with_vectors: bool = False,
    ) -> tuple[list[Point], PointId | None]:
        keys = self._asked(where)
        if keys == []:
            return [], None
        records, following = self._call(
            lambda client: client.scroll(
                self._collection,
                scroll_filter=where,
                limit=limit,
                offset=offset,
                with_payload=True,
                with_vectors=with_vectors,
                shard_key_selector=keys,
            )
        )
        return [point_of(r) for r in records], None if following is None else id_of(following)

    def count(self, where: models.Filter | None) -> int:
        keys = self._asked(where)
        if keys == []:
            return 0
        found = self._call(
            lambda client: client.count(
                self._collection, count_filter=where, exact=True, shard_key_selector=keys
            )
        )
        return found.count

    def delete(self, selection: Sequence[PointId] | models.Filter) -> None:
        with self.gate.writing(self._name) as changed:
            if self.gate.tracking and isinstance(selection, models.Filter):
                selection = matching(self, selection)
            selector: Any
            where = selection if isinstance(selection, models.Filter) else None
            if isinstance(selection, models.Filter):
                selector = models.FilterSelector(filter=selection)
            else:
                changed.update(selection)
                selector = models.PointIdsList(points=list(selection))
            if (field := self._spread_by()) is None:
                erase(self._call, self._collection, selector)
            else:
                self._keys.delete(selector, where, field)

    def optimize(self) -> bool:
        """False: local mode has no index, and a server builds its own in the background."""
        return False

    def flush(self) -> None:
        """Nothing to do: writes wait for the server, and memory has no disk."""

    def close(self) -> None:
        if not self._closed and self._own:
            self._client.close()
        self._closed = True

    def successor(self) -> ClientBackend | None:
        found = next_name(self._call, self._name, self._collection)
        return None if found is None else self._other(found)

    def begin(self, spec: Spec) -> ClientBackend:
        made = self._other(free_name(self._call, self._name))
        made.create(spec)
        return made

    def _other(self, collection: str) -> ClientBackend:
        return ClientBackend(self._client, self._name, own=False, successor=collection)

    def discard(self) -> None:
        found = next_name(self._call, self._name, self._collection)
        if found is not None:
            self._call(lambda client: client.delete_collection(found))

    def prepare(self) -> None:
        """Nothing to do: a server builds its index while it is filled, and memory has none."""

    def promote(self, successor: ClientBackend) -> None:
        self._outlives = True
        switch(self._call, self._name, self._collection, successor._collection)
        self.gate.moved = True
        # The client is closed by who is closed last.
        successor._own, self._own = self._own, False

    def drop_old(self) -> int:
        return drop_replaced(self._call, self._name, self._collection)


def _lock_of(client: QdrantClient) -> threading.RLock:
    with _LOCKS_GUARD:
        return _LOCKS.setdefault(client, threading.RLock())
