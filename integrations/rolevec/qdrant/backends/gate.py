"""What lets a collection be replaced under its writers without losing a write."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from rolevec.errors import CollectionMismatch, RolevecError
from rolevec.qdrant.ids import PointId

if TYPE_CHECKING:
    from qdrant_client import models

    from rolevec.qdrant.backends.protocol import Backend

_PAGE = 1024


class Moved(CollectionMismatch):
    """The collection was migrated to another encoder while it was open here."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the collection {name!r} was migrated to another encoder since it was opened here;"
            " close it, and open it again with that encoder"
        )


class Gate:
    """Every write to one stored collection goes through here; many may be inside at once.

    While a migration copies the collection, the ids written to are noted, so that it can copy them
    again. For the switch the gate is closed: who comes then waits, and is told afterwards if the
    collection has moved.
    """

    def __init__(self) -> None:
        self.moved = False
        self._turn = threading.Condition()
        self._inside = 0
        self._closed = False
        self._changed: set[PointId] | None = None

    @property
    def tracking(self) -> bool:
        """True while ids are noted; does not change under a writer."""
        return self._changed is not None

    @contextmanager
    def writing(self, name: str) -> Iterator[set[PointId]]:
        """Go through for one write.

        Args:
            name: of the collection, for the message.

        Yields:
            A set to put the ids written to into. They are noted when the write is over: noted
            before it, they might be copied before it.

        Raises:
            Moved: the collection was replaced.
        """
        with self._turn:
            self._turn.wait_for(lambda: not self._closed)
            if self.moved:
                raise Moved(name)
            self._inside += 1
        ids: set[PointId] = set()
        try:
            yield ids
        finally:
            with self._turn:
                self._inside -= 1
                if self._changed is not None:
                    self._changed |= ids
                self._turn.notify_all()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Wait until nobody writes, and let nobody in meanwhile; readers go on."""
        with self._turn:
            self._turn.wait_for(lambda: not self._closed)
            self._closed = True
            self._turn.wait_for(lambda: not self._inside)
        try:
            yield
        finally:
            with self._turn:
                self._closed = False
                self._turn.notify_all()

    @contextmanager
    def tracked(self, name: str) -> Iterator[None]:
        """Note the ids of writes meanwhile.

        Raises:
            RolevecError: somebody does so already.
        """
        with self.closed():
            if self.moved:
                raise Moved(name)
            if self._changed is not None:
                raise RolevecError(f"a migration of the collection {name!r} is running already")
            self._changed = set()
        try:
            yield
        finally:
            self._changed = None

    def take(self) -> list[PointId]:
        """The ids noted since the last call."""
        with self._turn:
            changed, self._changed = self._changed or set(), set()
        return sorted(changed, key=str)


_GATES: WeakKeyDictionary[object, dict[str, Gate]] = WeakKeyDictionary()
_GUARD = threading.Lock()


def gate_of(client: object, collection: str, *, new: bool = False) -> Gate:
    """The gate of a collection, the same for all who use this client.

    Args:
        new: the collection is being made; one of its name may have been migrated, and deleted.
    """
    with _GUARD:
        gates = _GATES.setdefault(client, {})
        if new or collection not in gates:
            gates[collection] = Gate()
        return gates[collection]


def matching(backend: Backend, where: models.Filter) -> list[PointId]:
    """Ids of the points that a filter selects."""
    ids: list[PointId] = []
    offset: PointId | None = None
    while True:
        page, offset = backend.scroll(where, _PAGE, offset)
        ids += [point.id for point in page]
        if offset is None:
            return ids
