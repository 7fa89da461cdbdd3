"""How a server spreads a collection over its machines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from rolevec.documents import Document
from rolevec.errors import InvalidDocument, shown
from rolevec.qdrant.paths import parts_of


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Settings of a new collection on a Qdrant server; None leaves the server's default.

    Sources: Qdrant's documentation, "Distributed deployment" and "Storage".

    Attributes:
        shard_number: parts of the collection, or of each shard key; a multiple of the number of
            machines keeps them equally full. It cannot be changed later.
        replication_factor: copies of each shard; 2 on three machines survive the loss of one.
        write_consistency_factor: copies that must have taken a write before it counts.
        shard_key: metadata field, such as a tenant or a language, whose value names the shard of a
            document: a string, or an integer from 0. Every document must have it. A search whose
            ``where`` names the field asks those shards only. It cannot be changed later.
        on_disk_vectors: read vectors from the disk, for collections larger than the memory.
        on_disk_graph: the same for the search index, which then wants a fast disk.
    """

    shard_number: int | None = None
    replication_factor: int | None = None
    write_consistency_factor: int | None = None
    shard_key: str | None = None
    on_disk_vectors: bool | None = None
    on_disk_graph: bool | None = None

    def __post_init__(self) -> None:
        for name in ("shard_number", "replication_factor", "write_consistency_factor"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise ValueError(f"{name}={shown(value)}; it must be an integer from 1")
        copies = self.replication_factor or 1
        if (self.write_consistency_factor or 1) > copies:
            raise ValueError(
                f"write_consistency_factor={self.write_consistency_factor} with"
                f" replication_factor={copies}: a write cannot reach more copies than there are"
            )
        if self.shard_key is not None and (
            not self.shard_key or len(parts_of(self.shard_key)) != 1
        ):
            raise ValueError(f"shard_key={self.shard_key!r}; it must be a field, not a path")

    def given(self) -> dict[str, object]:
        """Those that are set."""
        pairs = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in pairs.items() if value is not None}


def shard_of(metadata: object, field: str) -> int | str:
    """The shard key of a document.

    Raises:
        InvalidDocument: its metadata have none.
    """
    value = metadata.get(field) if isinstance(metadata, dict) else None
    is_number = type(value) is int and value >= 0
    if is_number or (isinstance(value, str) and value):
        return value  # type: ignore[return-value]
    raise InvalidDocument(
        f"metadata[{field!r}] is {shown(value)}, but names the shard that a document goes to; it"
        " must be a string or an integer from 0"
    )


def check_shards(documents: Iterable[Document], field: str | None) -> None:
    """Refuse documents without a shard key, where the collection wants one.

    Raises:
        InvalidDocument: names the position of the first.
    """
    if field is None:
        return
    for position, document in enumerate(documents):
        try:
            shard_of(document.metadata, field)
        except InvalidDocument as error:
            raise InvalidDocument(f"document {position}: {error}") from error
