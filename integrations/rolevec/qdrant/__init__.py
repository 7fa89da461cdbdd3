"""Qdrant collections that know their encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rolevec.door import front_door

if TYPE_CHECKING:
    from rolevec.qdrant.adding import AddReport
    from rolevec.qdrant.collection import Collection
    from rolevec.qdrant.migration import MigrationReport
    from rolevec.qdrant.placement import ServerOptions
    from rolevec.qdrant.stores import list_collections
    from rolevec.qdrant.tuning import storage_choices
    from rolevec.ranking.fusion import Fusion
    from rolevec.ranking.lexical import Bm25
    from rolevec.ranking.profile import Profile

__all__ = [
    "AddReport",
    "Bm25",
    "Collection",
    "Fusion",
    "MigrationReport",
    "Profile",
    "ServerOptions",
    "list_collections",
    "storage_choices",
]

_HOME = {
    "AddReport": "rolevec.qdrant.adding",
    "Bm25": "rolevec.ranking.lexical",
    "Collection": "rolevec.qdrant.collection",
    "Fusion": "rolevec.ranking.fusion",
    "MigrationReport": "rolevec.qdrant.migration",
    "Profile": "rolevec.ranking.profile",
    "ServerOptions": "rolevec.qdrant.placement",
    "list_collections": "rolevec.qdrant.stores",
    "storage_choices": "rolevec.qdrant.tuning",
}

__getattr__, __dir__ = front_door(__name__, _HOME)
