"""What identifies an encoder: two with equal fingerprints make comparable vectors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

CONTENT_REVISION = "sha256:"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Identity of the vectors an encoder makes.

    Backend, device and precision are left out on purpose: they move a vector by rounding only.

    Attributes:
        model: name of the model, or of its folder.
        revision: pinned commit, or "sha256:…" of the weights of a local folder, or "".
        prompts: role name to template, as applied.
        dim: dimension of the vectors as delivered, after any Matryoshka cut.
        pooling: how token vectors become one ("mean", "cls", "lasttoken", …), or "".
        normalized: vectors have length 1.
    """

    model: str
    revision: str
    dim: int
    prompts: Mapping[str, str] = field(default_factory=dict)
    pooling: str = ""
    normalized: bool = True

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def digest(self) -> str:
        """32 hex digits that change when any field does."""
        text = json.dumps(self.to_dict(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def with_dim(self, dim: int) -> Fingerprint:
        """The same encoder, cut to ``dim``."""
        return self if dim == self.dim else replace(self, dim=dim)

    def differences(self, other: Fingerprint) -> dict[str, tuple[Any, Any]]:
        """Fields that make vectors incomparable, as name -> (ours, theirs); empty if none.

        A folder may be renamed: equal content hashes make the model's name irrelevant.
        """
        mine, theirs = self.to_dict(), other.to_dict()
        changed = {k: (mine[k], theirs[k]) for k in mine if mine[k] != theirs[k]}
        if self.revision.startswith(CONTENT_REVISION) and "revision" not in changed:
            changed.pop("model", None)
        return changed

    def describe(self) -> str:
        """Name, revision and dimension in one line."""
        revision = self.revision.removeprefix(CONTENT_REVISION)[:12]
        return f"{self.model}{'@' + revision if revision else ''} ({self.dim} dimensions)"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        fields = asdict(replace(self, prompts=dict(self.prompts)))
        fields["prompts"] = dict(sorted(self.prompts.items()))
        return fields

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Fingerprint:
        """Read what `to_dict` wrote; unknown keys of later versions are left aside."""
        known = {k: data[k] for k in cls.__slots__ if k in data}
        return cls(**known)
