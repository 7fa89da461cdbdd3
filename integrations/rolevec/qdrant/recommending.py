"""What a collection recommends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rolevec.documents import Hit
from rolevec.errors import CollectionMismatch, CollectionNotFound, shown
from rolevec.qdrant.arguments import chosen_filter, positive
from rolevec.qdrant.examples import Example, Examples, named_ids
from rolevec.qdrant.ids import PointId, id_text, listed_ids, point_id
from rolevec.qdrant.nearest import hit_of, nearest
from rolevec.qdrant.opened import Opened
from rolevec.qdrant.payloads import document_of
from rolevec.qdrant.reading import diverse_points
from rolevec.qdrant.twins import threaded
from rolevec.ranking.profile import Profile
from rolevec.ranking.recommend import preference
from rolevec.vectors import Matrix

if TYPE_CHECKING:
    from qdrant_client import models

    from rolevec.qdrant.filters import Where

# So many ids to leave out are asked for besides and dropped; more of them go into the filter, whose
# models take a second to import.
_DROPPED = 64


class Recommending:
    """The part of `Collection` that recommends."""

    _opened: Opened

    def recommend(
        self,
        liked: Sequence[Example] | Profile,
        disliked: Sequence[Example] = (),
        *,
        k: int = 10,
        where: Where | None = None,
        exclude: Iterable[str | int] = (),
        diversity: float = 0.0,
        fetch_k: int = 50,
    ) -> list[Hit]:
        """Documents like some and unlike others.

        A string is the id of a document if there is one, else a text. What is named by id is left
        out of the result, and so is what a profile has seen.

        Args:
            liked: ids, texts, documents or vectors (dim,), at least one; or a profile.
            disliked: the same; may be empty. Beside a profile it counts for this call.
            k: most hits.
            where: see `rolevec.qdrant.filters.to_filter`.
            exclude: ids to leave out besides, any number, there or not.
            diversity: 0 takes the nearest; up to 1 they repeat each other less, see `diverse`.
            fetch_k: nearest documents that a diverse result is chosen from.

        Returns:
            Best first, with the cosine to what is looked for; a diverse result in the order chosen.

        Raises:
            ValueError: nothing liked.
            CollectionNotFound: an id that looks like one (digits, a UUID) is not there.
            CollectionMismatch: the profile is of another encoder.
        """
        at = self._opened
        left_out = {point_id(i) for i in listed_ids(exclude)}
        if isinstance(liked, Profile):
            profile = _updated(at, liked, (), disliked)
            left_out |= {point_id(i) for i in profile.seen}
            return _recommended(at, profile.vector(), k, where, left_out, diversity, fetch_k)
        if not len(_listed(liked)):
            raise ValueError("recommend needs at least one liked example")
        at.check()
        known, rows = _vectors(at, liked, disliked)
        aim = preference(*rows)
        return _recommended(at, aim, k, where, left_out | known.keys(), diversity, fetch_k)

    def more_like(
        self,
        identifier: str | int,
        *,
        k: int = 10,
        where: Where | None = None,
        exclude: Iterable[str | int] = (),
        diversity: float = 0.0,
        fetch_k: int = 50,
    ) -> list[Hit]:
        """The documents nearest to one that is there; the arguments are those of `recommend`.

        Raises:
            CollectionNotFound: there is no document with that id.
        """
        at = self._opened
        at.check()
        point = point_id(identifier)
        found = at.backend.retrieve([point], with_vectors=True)
        if not found or found[0].vector is None:
            raise CollectionNotFound(
                f"{at.name!r} holds no document with the id {shown(identifier)}"
            )
        left_out = {point, *(point_id(i) for i in listed_ids(exclude))}
        return _recommended(at, found[0].vector, k, where, left_out, diversity, fetch_k)

    def update_profile(
        self,
        profile: Profile | None,
        liked: Sequence[Example] = (),
        disliked: Sequence[Example] = (),
        *,
        seen: Iterable[str | int] = (),
        weight: float = 1.0,
        decay: float = 1.0,
    ) -> Profile:
        """A profile with something more liked, disliked or seen.

        Args:
            profile: stays as it is; None starts a new one.
            liked, disliked: ids, texts, documents or vectors (dim,). Those named by id are seen.
            seen: ids that are not to be recommended, though neither liked nor disliked.
            weight: of each of these examples, against those before.
            decay: what the weights of those before are multiplied by: at 0.9, what was liked ten
                updates ago counts a third. 1 forgets nothing.

        Raises:
            CollectionMismatch: the profile is of another encoder.
            CollectionNotFound, InvalidVector: see `recommend`.
        """
        ids = [id_text(i) for i in listed_ids(seen)]
        return _updated(self._opened, profile, liked, disliked, ids, weight, decay)

    arecommend = threaded(recommend)
    amore_like = threaded(more_like)
    aupdate_profile = threaded(update_profile)


def _listed(examples: Sequence[Example]) -> Sequence[Example]:
    if isinstance(examples, (str, bytes)):
        raise ValueError("recommend takes lists of examples, not a single one")
    return examples


def _vectors(
    at: Opened, liked: Sequence[Example], disliked: Sequence[Example]
) -> tuple[dict[PointId, str], tuple[Matrix, Matrix]]:
    """The documents that the examples name, as point -> id, and all examples as unit rows."""
    named = named_ids([*_listed(liked), *_listed(disliked)])
    found = at.backend.retrieve(list(dict.fromkeys(named)), with_vectors=True) if named else []
    known = {point.id: point.vector for point in found if point.vector is not None}
    examples = Examples(at.name, at.encoder, at.dim, known)
    none = np.empty((0, at.dim), np.float32)
    rows = [examples.rows(items) if len(items) else none for items in (liked, disliked)]
    ids = {p.id: document_of(p.id, p.payload).id or str(p.id) for p in found}
    return {i: ids[i] for i in dict.fromkeys(named) if i in ids}, (rows[0], rows[1])


def _updated(
    at: Opened,
    profile: Profile | None,
    liked: Sequence[Example],
    disliked: Sequence[Example],
    seen: Sequence[str] = (),
    weight: float = 1.0,
    decay: float = 1.0,
) -> Profile:
    fingerprint = at.check().fingerprint
    profile = Profile(fingerprint) if profile is None else profile
    if changed := profile.fingerprint.differences(fingerprint):
        raise CollectionMismatch(
            f"the profile was made with {profile.fingerprint.describe()}, the collection"
            f" {at.name!r} with {fingerprint.describe()}; they differ in {', '.join(changed)}, so"
            " make the profile anew from what is liked"
        )
    known, rows = _vectors(at, liked, disliked)
    return profile.updated(*rows, seen=[*known.values(), *seen], weight=weight, decay=decay)


def _recommended(
    at: Opened,
    aim: npt.NDArray[np.float32],
    k: int,
    where: Where | None,
    left_out: AbstractSet[PointId],
    diversity: float,
    fetch_k: int,
) -> list[Hit]:
    k, chosen = positive(k), chosen_filter(where)
    if len(left_out) > _DROPPED:
        chosen, left_out = _without(chosen, left_out), frozenset()
    if diversity:
        found = diverse_points(at, aim, k, fetch_k, diversity, chosen, left_out)
    else:
        limit = k + len(left_out)
        found = nearest(at.backend, aim[None, :], limit, chosen, at.rescoring())[0]
    return [hit_of(point) for point in found if point.id not in left_out][:k]


def _without(where: models.Filter | None, ids: AbstractSet[PointId]) -> models.Filter:
    from qdrant_client import models

    has_id = models.HasIdCondition(has_id=list(ids))
    return models.Filter(must=None if where is None else [where], must_not=[has_id])
