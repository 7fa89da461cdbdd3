"""From a collection to its successor: the same points, with vectors of another encoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rolevec.encoders.protocol import encode_with_report
from rolevec.qdrant.backends.protocol import Point
from rolevec.qdrant.ids import PointId
from rolevec.qdrant.opened import Opened
from rolevec.qdrant.payloads import OWN, document_of
from rolevec.qdrant.sampling import Sample
from rolevec.roles import Role

_PAGE = 256
_DROPPED = "dropped_tokens"
# Of each float in a payload, the engine may change the last digit whenever it is written.
_ROUNDING = 1e-14


@dataclass(slots=True)
class Copier:
    """Brings a successor up to date with the collection, as often as it is asked to.

    What is there already, with an equal payload, is not encoded again; so it does not matter when
    an earlier copier was killed, or who wrote to the collection since.

    Attributes:
        old: the collection.
        new: its successor; nobody else writes to it.
        advance: told how many points were looked at.
        sample: is shown every text of the first copy.
        encoded: texts encoded.
        dropped: tokens that the new encoder did not see, by point, where there were any.
        textless: ids of the points that have no text to encode, as the user knows them.
    """

    old: Opened
    new: Opened
    advance: Callable[[int], None]
    sample: Sample
    encoded: int = 0
    dropped: dict[PointId, int] = field(default_factory=dict)
    textless: dict[PointId, str] = field(default_factory=dict)

    def copy_all(self) -> None:
        """Copy what is missing or different, and delete what is no longer there."""
        self.textless.clear()
        for page in _pages(self.old):
            self._copy(page)
            self.advance(len(page))
        for page in _pages(self.new):
            ids = [point.id for point in page]
            kept = {point.id for point in self.old.backend.retrieve(ids)}
            self._delete([i for i in ids if i not in kept])

    def copy(self, ids: Sequence[PointId]) -> None:
        """Copy some points, or delete them if they are no longer there."""
        for start in range(0, len(ids), _PAGE):
            some = ids[start : start + _PAGE]
            found = self.old.backend.retrieve(some)
            self._copy(found)
            kept = {point.id for point in found}
            gone = [i for i in some if i not in kept]
            self._delete(gone)
            for point in gone:
                self.textless.pop(point, None)

    def _copy(self, points: Sequence[Point]) -> None:
        stored = {p.id: p for p in self.new.backend.retrieve([p.id for p in points])}
        texts: dict[PointId, str] = {}
        for point in points:
            document = document_of(point.id, point.payload)
            self.textless.pop(point.id, None)
            if not document.text.strip():
                self.textless[point.id] = document.id or str(point.id)
                continue
            self.sample.see(document.text)
            there = stored.get(point.id)
            if there is not None and same_payload(point.payload, there.payload):
                self._note(point.id, _dropped_tokens(there.payload))
            else:
                texts[point.id] = document.text
        self._delete([i for i in stored if i in self.textless])
        self._encode([p for p in points if p.id in texts], list(texts.values()))

    def _encode(self, points: Sequence[Point], texts: Sequence[str]) -> None:
        if not points:
            return
        encoded = encode_with_report(self.new.encoder, texts, Role.DOCUMENT)
        rows = self.new.cut(encoded.vectors, len(texts))
        written = []
        for point, row, dropped in zip(points, rows, encoded.truncation.dropped, strict=True):
            self._note(point.id, dropped)
            written.append(
                replace(point, vector=row, payload=_with_dropped(point.payload, dropped))
            )
        self.new.backend.upsert(written)
        self.encoded += len(written)

    def _note(self, point: PointId, dropped: int) -> None:
        self.dropped.pop(point, None)
        if dropped:
            self.dropped[point] = dropped

    def _delete(self, ids: Sequence[PointId]) -> None:
        if ids:
            self.new.backend.delete(ids)
        for point in ids:
            self.dropped.pop(point, None)


def same_payload(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """True if two payloads differ by nothing but what the encoder did not see, and rounding."""
    return _same(_with_dropped(old, 0), _with_dropped(new, 0))


def _pages(at: Opened) -> Iterable[list[Point]]:
    offset = None
    while True:
        page, offset = at.backend.scroll(None, _PAGE, offset)
        if page:
            yield page
        if offset is None:
            return


def _dropped_tokens(payload: Mapping[str, Any]) -> int:
    own = payload.get(OWN)
    return int(own.get(_DROPPED, 0)) if isinstance(own, Mapping) else 0


def _with_dropped(payload: Mapping[str, Any], dropped: int) -> dict[str, Any]:
    own = payload.get(OWN)
    own = {k: v for k, v in own.items() if k != _DROPPED} if isinstance(own, Mapping) else {}
    if dropped:
        own[_DROPPED] = dropped
    rest = {k: v for k, v in payload.items() if k != OWN}
    return {**rest, OWN: own} if own else rest


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old.keys() == new.keys() and all(_same(v, new[k]) for k, v in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_same, old, new))
    if isinstance(old, float) and isinstance(new, float):
        return math.isclose(old, new, rel_tol=_ROUNDING, abs_tol=0.0)
    return type(old) is type(new) and bool(old == new)
