"""Collections of a Qdrant server that replace each other under one name.

The metadata of a replaced collection says which one took its place; writing it is the switch, one
call. Successors are called ``NAME~2``, ``NAME~3``, … and say in their metadata whose they are. When
the first collection, which has the name itself, is dropped, the name becomes an alias, so that
other programs find the new one under it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from qdrant_client import QdrantClient, models

from rolevec.errors import AuthenticationError

T = TypeVar("T")
Call: TypeAlias = Callable[[Callable[[QdrantClient], Any]], Any]

MOVED, OF, SERVES = "rolevec_moved_to", "rolevec_of", "rolevec_serves"
_SUCCESSOR = re.compile(r"(.+)~([0-9]+)")


def public_name(collection: str) -> str:
    """The name under which a collection is opened."""
    found = _SUCCESSOR.fullmatch(collection)
    return found[1] if found else collection


def current_name(call: Call, name: str) -> str:
    """The collection that has a name now; the name itself if there is none.

    Args:
        call: runs a function on the client.
        name: as `Collection.open` has it.
    """
    found = _aliases(call).get(name, name)
    if found == name and not call(lambda client: client.collection_exists(name)):
        return _orphan(call, name) or name
    seen = {found}
    while (moved := metadata_of(call, found).get(MOVED)) and moved not in seen:
        seen.add(moved)
        found = moved
    return found


def metadata_of(call: Call, collection: str) -> dict[str, Any]:
    """A collection's metadata."""
    info: models.CollectionInfo = call(lambda client: client.get_collection(collection))
    return dict(info.config.metadata or {})


def generations(call: Call, name: str) -> dict[int, str]:
    """The collections that are or were successors under a name, by number."""
    listed = call(lambda client: client.get_collections()).collections
    found = {}
    for entry in listed:
        match = _SUCCESSOR.fullmatch(entry.name)
        if match and match[1] == name and metadata_of(call, entry.name).get(OF) == name:
            found[int(match[2])] = entry.name
    return dict(sorted(found.items()))


def next_name(call: Call, name: str, current: str) -> str | None:
    """The successor that no switch was made to yet; None if there is none."""
    for collection in generations(call, name).values():
        if collection != current and not metadata_of(call, collection).get(MOVED):
            return collection
    return None


def free_name(call: Call, name: str) -> str:
    """A name for a successor."""
    listed = {entry.name for entry in call(lambda client: client.get_collections()).collections}
    number = 2
    while f"{name}~{number}" in listed:
        number += 1
    return f"{name}~{number}"


def switch(call: Call, name: str, old: str, new: str) -> None:
    """Put a collection in another's place."""
    _write(call, new, {SERVES: True})
    _write(call, old, {MOVED: new})
    if _aliases(call).get(name) == old:
        _point_alias(call, name, new)


def drop_replaced(call: Call, name: str, current: str) -> int:
    """Delete what was replaced under a name; returns how many there were."""
    every = [name, *generations(call, name).values()]
    present = {entry.name for entry in call(lambda client: client.get_collections()).collections}
    old = [c for c in every if c in present and metadata_of(call, c).get(MOVED)]
    if name in old:
        # The name cannot be an alias while a collection has it. Killed in between, the next one
        # to open it finds the successor by its metadata.
        _delete(call, name)
    if current != name and _aliases(call).get(name) != current:
        _point_alias(call, name, current)
    for collection in old:
        if collection != name:
            _delete(call, collection)
    return len(old)


def shown_names(call: Call) -> list[str]:
    """Names that can be opened: each collection once, under its public name."""
    listed = [entry.name for entry in call(lambda client: client.get_collections()).collections]
    names = {*listed, *_aliases(call)}
    return sorted(n for n in names if public_name(n) == n or public_name(n) not in names)


def _orphan(call: Call, name: str) -> str | None:
    """The successor of a collection that was deleted before its name became an alias."""
    for collection in generations(call, name).values():
        metadata = metadata_of(call, collection)
        if metadata.get(SERVES) and not metadata.get(MOVED):
            _point_alias(call, name, collection)
            return collection
    return None


def _aliases(call: Call) -> dict[str, str]:
    try:
        answer = call(lambda client: client.get_aliases())
    except AuthenticationError:  # a key for some collections only; the server still follows aliases
        return {}
    return {alias.alias_name: alias.collection_name for alias in answer.aliases}


def _point_alias(call: Call, name: str, collection: str) -> None:
    actions: list[Any] = []
    if name in _aliases(call):
        delete = models.DeleteAlias(alias_name=name)
        actions.append(models.DeleteAliasOperation(delete_alias=delete))
    create = models.CreateAlias(collection_name=collection, alias_name=name)
    actions.append(models.CreateAliasOperation(create_alias=create))
    call(lambda client: client.update_collection_aliases(actions))


def _write(call: Call, collection: str, metadata: dict[str, Any]) -> None:
    call(lambda client: client.update_collection(collection, metadata=metadata))


def _delete(call: Call, collection: str) -> None:
    call(lambda client: client.delete_collection(collection))
