"""Moving a collection to another encoder while it is in use."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from rolevec.encoders.base import check_texts
from rolevec.encoders.progress import counter
from rolevec.encoders.protocol import Encoder
from rolevec.errors import RolevecError, shown
from rolevec.qdrant.arguments import positive
from rolevec.qdrant.backends.protocol import Backend, Spec
from rolevec.qdrant.copying import Copier
from rolevec.qdrant.identity import About
from rolevec.qdrant.indexes import index_paths
from rolevec.qdrant.opened import Opened
from rolevec.qdrant.sampling import Sample, overlap
from rolevec.vectors import check_dimensions

Textless = Literal["withhold", "leave_out"]

# What writers have changed meanwhile is copied again until so little is left, or for so many
# rounds; the rest is copied while they wait.
_FEW, _ROUNDS = 64, 20
_IDS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What a migration did.

    Attributes:
        old: the encoder before, in one line.
        new: the encoder given.
        points: documents in the collection that now has, or is ready to have, the new vectors.
        encoded: texts encoded by this run; fewer than ``points`` where an earlier run was stopped.
        truncated: documents of which the new encoder did not see every token.
        dropped_tokens: tokens of them that it did not see.
        textless: documents without a text to encode.
        textless_ids: the first 20 of their ids.
        overlap: mean share of the ``k`` nearest that are the same before and after, 0 to 1; None
            if there was nothing to compare.
        k: for the overlap.
        queries: how many it was measured on.
        seconds: for all of it.
        switched: the collection has the new vectors now.
        withheld: why not, or "".
    """

    old: str
    new: str
    points: int
    encoded: int
    truncated: int
    dropped_tokens: int
    textless: int
    textless_ids: tuple[str, ...]
    overlap: float | None
    k: int
    queries: int
    seconds: float
    switched: bool
    withheld: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**asdict(self), "textless_ids": list(self.textless_ids)}


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked of a migration; see `Collection.migrate`."""

    encoder: Encoder
    dimensions: int | None
    progress: bool
    resume: bool
    switch: bool
    queries: Sequence[str] | None
    samples: int
    k: int
    least_overlap: float | None
    textless: Textless

    def check(self) -> None:
        """Raise for what makes no sense, before anything is done."""
        check_dimensions(self.dimensions, self.encoder.dim)
        positive(self.k)
        if self.queries is not None:
            check_texts(self.queries)
        if isinstance(self.samples, bool) or self.samples < 0:
            raise ValueError(f"samples={shown(self.samples)}; it must be 0 or more")
        least = self.least_overlap
        if least is not None and not 0.0 <= least <= 1.0:
            raise ValueError(f"least_overlap={shown(least)}; it is a share, 0 to 1")
        if self.textless not in get_args(Textless):
            raise ValueError(
                f"textless={shown(self.textless)}; it is one of {', '.join(get_args(Textless))}"
            )


def migrate(old: Opened, plan: Plan, adopt: Callable[[Opened], None]) -> MigrationReport:
    """Fill a successor of a collection and put it in the collection's place.

    Args:
        old: the collection.
        plan: what was asked.
        adopt: told what to use from now on, while nobody can write.

    Raises:
        CollectionMismatch: the collection is not this encoder's (any more).
        RolevecError: another migration of it is running, or others wrote to it all the time.
    """
    plan.check()
    start = time.monotonic()
    fingerprint = plan.encoder.fingerprint.with_dim(plan.dimensions or plan.encoder.dim)
    before = old.check()
    about = replace(before, fingerprint=fingerprint, origin=before.identity)
    if not before.fingerprint.differences(fingerprint):
        return _nothing_to_do(old, plan, start)
    with old.backend.gate.tracked(old.name):
        successor = _successor(old.backend, about, resume=plan.resume)
        new = Opened(old.name, plan.encoder, successor, fingerprint.dim)
        try:
            return _Run(old, new, plan, adopt, start).run()
        except BaseException:
            if not old.backend.gate.moved:
                successor.close()
            raise


def _successor(backend: Backend, about: About, *, resume: bool) -> Backend:
    """What an earlier run left, if it was going to the same place; else a new one."""
    found = backend.successor()
    if found is not None:
        left = found.about()
        same = left is not None and left.fingerprint == about.fingerprint
        if not (resume and same):
            found.close()
            backend.discard()
            found = None
    if found is not None:
        return found
    indexes = index_paths(about.indexed_fields)
    return backend.begin(Spec(about.fingerprint.dim, about, indexes, backend.placement()))


def _nothing_to_do(old: Opened, plan: Plan, start: float) -> MigrationReport:
    name = plan.encoder.fingerprint.describe()
    return MigrationReport(
        name, name, old.backend.count(None), 0, 0, 0, 0, (), None, plan.k, 0,
        time.monotonic() - start, False, "the collection is this encoder's already",
    )  # fmt: skip


class _Run:
    """One call of `migrate`."""

    def __init__(
        self, old: Opened, new: Opened, plan: Plan, adopt: Callable[[Opened], None], start: float
    ) -> None:
        self._old, self._new, self._plan, self._adopt = old, new, plan, adopt
        self._start = start
        self._sample = Sample(0 if plan.queries is not None else plan.samples)
        self._copier = Copier(old, new, lambda _: None, self._sample)
        self._gate = old.backend.gate

    def run(self) -> MigrationReport:
        """Fill, compare, switch."""
        self._fill()
        self._new.backend.prepare()
        self._new.backend.flush()
        queries = list(self._sample.texts if self._plan.queries is None else self._plan.queries)
        self._catch_up()
        shared = overlap(self._old, self._new, queries, self._plan.k)
        before = self._old.about().fingerprint.describe()
        withheld = self._objection(shared)
        if not withheld:
            withheld = self._switch()
        report = self._report(before, shared, len(queries), withheld)
        if withheld:
            self._new.backend.close()
        return report

    def _fill(self) -> None:
        # A kill may have come between the making of the successor and that of its indexes.
        self._same_indexes()
        total = self._old.backend.count(None)
        with counter(total, f"migrating {self._old.name}", show=self._plan.progress) as advance:
            self._copier.advance = advance
            self._copier.copy_all()
        self._copier.advance = lambda _: None

    def _same_indexes(self) -> None:
        fields = self._old.about().indexed_fields
        about = self._new.about()
        for path, kind in index_paths(fields).items():
            self._new.backend.create_index(path, kind)
        if dict(about.indexed_fields) != dict(fields):
            self._new.backend.write_about(replace(about, indexed_fields=fields))

    def _catch_up(self) -> None:
        for _ in range(_ROUNDS):
            changed = self._gate.take()
            self._copier.copy(changed)
            if len(changed) <= _FEW:
                return

    def _objection(self, shared: float | None) -> str:
        """Why not to switch."""
        plan, textless = self._plan, len(self._copier.textless)
        if textless and plan.textless == "withhold":
            return f"{textless} documents have no text to encode, and would be lost"
        if not plan.switch:
            return "switch=False was given"
        if plan.least_overlap is not None and (shared is None or shared < plan.least_overlap):
            measured = "was not measured" if shared is None else f"is {shared:.3f}"
            return f"the overlap {measured}, and least_overlap={plan.least_overlap}"
        return ""

    def _switch(self) -> str:
        """Copy the last changes and replace the collection, while writers wait."""
        with self._gate.closed():
            self._copier.copy(self._gate.take())
            self._same_indexes()
            if self._count_differs():
                # Others have written, from another process.
                self._copier.copy_all()
                if self._count_differs():
                    raise RolevecError(
                        f"the collection {self._old.name!r} keeps changing: another process writes"
                        " to it; stop that, and migrate again"
                    )
            if objection := self._objection(1.0):
                return objection
            self._new.backend.flush()
            self._old.backend.promote(self._new.backend)
            self._adopt(self._new)
        return ""

    def _count_differs(self) -> bool:
        missing = self._old.backend.count(None) - self._new.backend.count(None)
        return missing != len(self._copier.textless)

    def _report(
        self, before: str, shared: float | None, queries: int, withheld: str
    ) -> MigrationReport:
        copier = self._copier
        return MigrationReport(
            old=before,
            new=self._new.about().fingerprint.describe(),
            points=self._new.backend.count(None),
            encoded=copier.encoded,
            truncated=len(copier.dropped),
            dropped_tokens=sum(copier.dropped.values()),
            textless=len(copier.textless),
            textless_ids=tuple(list(copier.textless.values())[:_IDS_SHOWN]),
            overlap=shared,
            k=self._plan.k,
            queries=queries if shared is not None else 0,
            seconds=time.monotonic() - self._start,
            switched=not withheld,
            withheld=withheld,
        )
