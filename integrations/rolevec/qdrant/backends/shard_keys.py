"""Requests to a server whose collection is spread by shard keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from qdrant_client import QdrantClient, models

from rolevec.errors import RolevecError
from rolevec.qdrant.ids import PointId
from rolevec.qdrant.paths import payload_path
from rolevec.qdrant.payloads import METADATA
from rolevec.qdrant.placement import shard_of

Key: TypeAlias = int | str
Call: TypeAlias = Callable[[Callable[[QdrantClient], Any]], Any]


class ShardKeys:
    """The shard keys of one collection; each is made when its first point comes.

    Args:
        call: runs a function on the client.
        collection: its name.
    """

    def __init__(self, call: Call, collection: str) -> None:
        self._call, self._collection = call, collection
        self._known: set[Key] = set()

    def known(self) -> list[Key]:
        """Those that the server has now, sorted."""
        info = self._call(lambda client: client.collection_cluster_info(self._collection))
        shards = [*info.local_shards, *info.remote_shards]
        self._known = {shard.shard_key for shard in shards if shard.shard_key is not None}
        return sorted(self._known, key=str)

    def asked(self, where: models.Filter | None, field: str) -> list[Key] | None:
        """The keys that a filter allows; None for all, empty if there is none like it."""
        wanted = keys_in(where, field)
        if wanted is None:
            return None
        if not wanted <= self._known:
            self.known()
        return sorted(wanted & self._known, key=str)

    def upsert(self, points: Sequence[models.PointStruct], field: str) -> None:
        """Write points, each into its shard and out of the one that it was in.

        Raises:
            InvalidDocument: one has no key; nothing is written.
        """
        keys = {point.id: _key_of(point.payload, field) for point in points}
        ids, only = list(keys), [_path(field)]
        found = self._call(
            lambda client: client.retrieve(
                self._collection, ids, with_payload=only, with_vectors=False
            )
        )
        for key in dict.fromkeys(keys.values()):
            self._ensure(key)
            write(self._call, self._collection, [p for p in points if keys[p.id] == key], key)
        # An id is unique within a shard only.
        moved: dict[Key, list[PointId]] = {}
        for record in found:
            old = (record.payload or {}).get(METADATA, {}).get(field)
            if old is not None and old != keys[record.id]:
                moved.setdefault(old, []).append(record.id)
        for key, gone in moved.items():
            erase(self._call, self._collection, models.PointIdsList(points=list(gone)), [key])

    def delete(self, selector: Any, where: models.Filter | None, field: str) -> None:
        """Delete points in every shard that may have them."""
        keys = self.asked(where, field)
        # A write names its shards, all of them if need be.
        if keys := self.known() if keys is None else keys:
            erase(self._call, self._collection, selector, keys)

    def _ensure(self, key: Key) -> None:
        if key in self._known or key in self.known():
            return
        try:
            self._call(lambda client: client.create_shard_key(self._collection, key))
        except RolevecError:
            # Another process may have made it first.
            if key not in self.known():
                raise
        self._known.add(key)


def write(
    call: Call, collection: str, points: Sequence[models.PointStruct], key: Key | None = None
) -> None:
    """Write points and wait for them."""
    rows = list(points)
    call(lambda client: client.upsert(collection, rows, wait=True, shard_key_selector=key))


def erase(call: Call, collection: str, selector: Any, keys: list[Key] | None = None) -> None:
    """Delete points and wait for it."""
    call(lambda client: client.delete(collection, selector, wait=True, shard_key_selector=keys))


def keys_in(where: models.Filter | None, field: str) -> set[Key] | None:
    """Values that a field must have for a filter to match; None if it may have any."""
    found: set[Key] | None = None
    must = [] if where is None or where.must is None else where.must
    for condition in must if isinstance(must, list) else [must]:
        if isinstance(condition, models.Filter):
            values = keys_in(condition, field)
        elif isinstance(condition, models.FieldCondition) and condition.key == _path(field):
            values = _values(condition.match)
        else:
            continue
        if values is not None:
            found = values if found is None else found & values
    return found


def _path(field: str) -> str:
    return f"{METADATA}.{payload_path(field)}"


def _key_of(payload: Any, field: str) -> Key:
    return shard_of((payload or {}).get(METADATA), field)


def _values(match: object) -> set[Key] | None:
    if isinstance(match, models.MatchValue):
        return {match.value} if type(match.value) in {int, str} else set()
    return set(match.any) if isinstance(match, models.MatchAny) else None
