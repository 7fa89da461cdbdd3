"""What a collection remembers about the encoder that wrote it, and the check against another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rolevec.errors import CollectionMismatch
from rolevec.fingerprint import Fingerprint
from rolevec.ranking.lexical import Bm25

Quantization = Literal["int8", "turbo4", "binary"]

# A version that knows only 1 would write points without sparse vectors into a hybrid collection.
_FORMAT, _HYBRID_FORMAT = 1, 2


@dataclass(frozen=True, slots=True)
class About:
    """The record kept with a collection.

    Attributes:
        fingerprint: of the encoder; one without a model name marks vectors of unknown origin.
        quantization: how the engine compresses the vectors it scans.
        indexed_fields: metadata field -> type of its payload index.
        bm25: how each text's sparse vector is made; None if there are dense vectors only.
        shard_key: metadata field whose value names the shard of a document.
        origin: digest of the first encoder's fingerprint, if the collection was migrated since;
            what is kept elsewhere about its documents is filed under it.
    """

    fingerprint: Fingerprint
    quantization: Quantization | None = None
    indexed_fields: Mapping[str, str] = field(default_factory=dict)
    bm25: Bm25 | None = None
    shard_key: str | None = None
    origin: str = ""

    @property
    def identity(self) -> str:
        """32 hex digits that stay the same when the collection is migrated."""
        return self.origin or self.fingerprint.digest

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        spread = {} if self.shard_key is None else {"shard_key": self.shard_key}
        record: dict[str, Any] = {
            "format": _FORMAT,
            "fingerprint": self.fingerprint.to_dict(),
            "quantization": self.quantization,
            "indexed_fields": dict(self.indexed_fields),
            **spread,
        }
        if self.origin:
            record["origin"] = self.origin
        if self.bm25 is not None:
            record |= {"format": _HYBRID_FORMAT, "bm25": self.bm25.to_dict()}
        return record

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> About:
        """Read what `to_dict` wrote.

        Raises:
            CollectionMismatch: written by a later version in a format unknown here.
        """
        if data.get("format") not in {_FORMAT, _HYBRID_FORMAT}:
            raise CollectionMismatch(
                f"the collection's record has format {data.get('format')!r}, this version reads"
                f" {_FORMAT} and {_HYBRID_FORMAT}; upgrade rolevec"
            )
        try:
            bm25 = Bm25.from_dict(data["bm25"]) if data.get("bm25") else None
        except (TypeError, ValueError) as error:
            raise CollectionMismatch(f"the collection's BM25 settings: {error}") from error
        return cls(
            Fingerprint.from_dict(data["fingerprint"]),
            data.get("quantization"),
            data.get("indexed_fields") or {},
            bm25,
            data.get("shard_key"),
            str(data.get("origin") or ""),
        )


def check_encoder(collection: str, stored: Fingerprint, given: Fingerprint) -> None:
    """Refuse vectors that cannot be compared with those in the collection.

    An encoder of unknown origin (vectors made elsewhere) is held to the dimension alone.

    Raises:
        CollectionMismatch: names both encoders, what differs, and the ways out.
    """
    if stored == given:
        return
    if not given.model and stored.dim == given.dim:
        return
    if not stored.model and given.model and stored.dim == given.dim:
        raise CollectionMismatch(
            f"the collection {collection!r} does not say which encoder made its vectors; if you"
            f" know that it was {given.describe()}, open it once with adopt=True; otherwise index"
            " your documents into a new collection"
        )
    changed = stored.differences(given)
    if not changed:
        return
    details = "; ".join(
        f"{name}: {_short(old)} in the collection, {_short(new)} given"
        for name, (old, new) in changed.items()
    )
    raise CollectionMismatch(
        f"the collection {collection!r} was written by {stored.describe()}, not by"
        f" {given.describe()}; their vectors cannot be compared ({details})."
        f" Either load the encoder {stored.model or 'that wrote it'} with the settings above,"
        f" or move the collection to {given.model or 'the new one'} (Collection.migrate, `rolevec"
        " migrate`), or index your documents with it into a new collection"
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "…"
