"""What somebody likes and dislikes: two weighted means, to be kept and brought up to date."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rolevec.errors import InvalidVector
from rolevec.fingerprint import Fingerprint
from rolevec.ranking.recommend import preference
from rolevec.vectors import Matrix

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Taste:
    """A weighted mean of unit vectors, as its sum.

    Attributes:
        total: the sum of weight times vector, ``dim`` numbers; empty if there is none yet.
        weight: the sum of the weights.
    """

    total: tuple[float, ...] = ()
    weight: float = 0.0

    def plus(self, rows: Matrix, weight: float, decay: float) -> Taste:
        """This mean, faded by ``decay``, and some vectors (n, dim) of ``weight`` each."""
        total = decay * np.asarray(self.total) if self.total else np.zeros(rows.shape[1])
        total = total + weight * rows.sum(axis=0, dtype=np.float64)
        return Taste(tuple(total.tolist()), decay * self.weight + weight * len(rows))

    def mean(self) -> Matrix | None:
        """Shape (1, dim), of any length; None if there is nothing."""
        if not self.weight:
            return None
        return np.asarray([np.asarray(self.total) / self.weight], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Profile:
    """One user, for `Collection.recommend`; `Collection.update_profile` makes and changes it.

    A value: an update gives a new one. Its vectors belong to one encoder, and the collections of
    another refuse it.

    Attributes:
        fingerprint: of that encoder.
        liked, disliked: weighted means.
        seen: ids of documents that are not to be recommended, oldest first.
    """

    fingerprint: Fingerprint
    liked: Taste = Taste()
    disliked: Taste = Taste()
    seen: tuple[str, ...] = ()

    def updated(
        self,
        liked: Matrix,
        disliked: Matrix,
        *,
        seen: Iterable[str] = (),
        weight: float = 1.0,
        decay: float = 1.0,
    ) -> Profile:
        """This profile and something more.

        Args:
            liked: unit rows (n, dim), n may be 0.
            disliked: the same.
            seen: ids, those that are known already among them.
            weight: of each new vector, against those before: a purchase may count more than a look.
            decay: what all weights so far are multiplied by, above 0; 1 forgets nothing.

        Raises:
            ValueError: a weight that is not positive, or a decay that is not above 0 and up to 1.
        """
        if not (math.isfinite(weight) and weight > 0):
            raise ValueError(f"weight={weight}; it must be a positive number")
        if not 0 < decay <= 1:
            raise ValueError(f"decay={decay}; it must be above 0, and 1 at most")
        return replace(
            self,
            liked=self.liked.plus(liked, weight, decay),
            disliked=self.disliked.plus(disliked, weight, decay),
            seen=tuple(dict.fromkeys([*self.seen, *seen])),
        )

    def vector(self) -> npt.NDArray[np.float32]:
        """What to look for: a unit vector (dim,), see `rolevec.ranking.recommend.preference`.

        Raises:
            ValueError: nothing is liked yet.
            InvalidVector: what is liked and what is disliked cancel out.
        """
        liked = self.liked.mean()
        if liked is None:
            raise ValueError("the profile likes nothing yet; update it with something liked")
        return preference(liked, self.disliked.mean())

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "format": _FORMAT,
            "fingerprint": self.fingerprint.to_dict(),
            "liked": {"total": list(self.liked.total), "weight": self.liked.weight},
            "disliked": {"total": list(self.disliked.total), "weight": self.disliked.weight},
            "seen": list(self.seen),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Profile:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: not a profile, or one of a later version.
            InvalidVector: numbers that are not finite, or not as many as the encoder's dimension.
        """
        if not isinstance(data, Mapping) or data.get("format") != _FORMAT:
            raise ValueError(f"not a profile of format {_FORMAT}, which is what this version reads")
        try:
            fingerprint = Fingerprint.from_dict(data["fingerprint"])
            liked, disliked = (
                _taste(data[name], fingerprint.dim) for name in ("liked", "disliked")
            )
            return cls(fingerprint, liked, disliked, tuple(str(i) for i in data["seen"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"a profile with a broken part: {error!r}") from error

    def save(self, path: str | Path) -> None:
        """Write JSON, in one step: a crash leaves the old file or the new one."""
        path = Path(path)
        part = path.with_name(path.name + ".part")
        part.write_text(json.dumps(self.to_dict(), ensure_ascii=False), encoding="utf-8")
        part.replace(path)

    @classmethod
    def load(cls, path: str | Path) -> Profile:
        """Read what `save` wrote.

        Raises:
            OSError: the file cannot be read.
            ValueError, InvalidVector: as `from_dict`, with the file's name.
        """
        text = Path(path).read_text(encoding="utf-8")
        try:
            data = json.loads(text)
        except ValueError as error:
            raise ValueError(f"{path} is not JSON: {error}") from error
        try:
            return cls.from_dict(data)
        except ValueError as error:
            raise type(error)(f"{path}: {error}") from error


def _taste(data: Mapping[str, Any], dim: int) -> Taste:
    total, weight = tuple(float(x) for x in data["total"]), float(data["weight"])
    if not all(map(math.isfinite, (*total, weight))) or weight < 0:
        raise InvalidVector("the numbers of a profile must be finite, and its weights not negative")
    if len(total) != dim and (total or weight):
        raise InvalidVector(f"a profile of {len(total)} numbers, of an encoder of {dim} dimensions")
    return Taste(total, weight)
