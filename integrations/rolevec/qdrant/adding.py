"""From documents to points: ids, checks, batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy.typing as npt

from rolevec.documents import Document
from rolevec.encoders.base import check_texts, check_utf8
from rolevec.encoders.protocol import Encoder
from rolevec.errors import InvalidDocument, InvalidText, InvalidVector
from rolevec.qdrant.backends.protocol import Point
from rolevec.qdrant.ids import content_id, id_text, point_id
from rolevec.qdrant.payloads import payload_of, plain_metadata
from rolevec.roles import Role
from rolevec.truncation import TruncationReport, enforce
from rolevec.vectors import Matrix, cut_dimensions, unit_rows

# A batch ends early at this many characters: long texts must not make a batch of any size.
_BATCH_CHARACTERS = 4_000_000

Node: TypeAlias = Mapping[str, Any]
"""The ``_node_…`` and reference keys of a LlamaIndex node, as its own store would write them."""


@dataclass(frozen=True, slots=True)
class AddReport:
    """What an `add` did.

    Attributes:
        added: documents written, those that replaced an equal id included.
        truncated: documents of which the model did not see every token.
        dropped_tokens: tokens of them that it did not see.
    """

    added: int = 0
    truncated: int = 0
    dropped_tokens: int = 0

    def plus(self, added: int, truncation: TruncationReport | None) -> AddReport:
        """This report and one more batch."""
        dropped = truncation.dropped if truncation else ()
        return AddReport(
            self.added + added,
            self.truncated + sum(1 for n in dropped if n),
            self.dropped_tokens + sum(dropped),
        )


def identified(item: Document | str) -> Document:
    """A document with an id: its own, or one derived from text and metadata.

    Raises:
        InvalidDocument: not a document, a bad id, or metadata that cannot be stored.
        InvalidText: the text is no string, not encodable, or blank where the id comes from it.
    """
    document = Document(item) if isinstance(item, str) else item
    if not isinstance(document, Document):
        raise InvalidDocument(
            f"expected a Document or a string, not a {type(item).__name__}; wrap texts and"
            " metadata as Document(text, metadata={...})"
        )
    if not isinstance(document.text, str):
        raise InvalidText(f"a document's text is a {type(document.text).__name__}, not a string")
    # The content of a subclass of str, which may print as something else.
    text = str.__str__(document.text)
    metadata = plain_metadata(document.metadata)
    if document.id is None:
        check_texts([text])
        return Document(text, content_id(text, metadata), metadata)
    check_utf8(text, "the text")
    point_id(document.id)
    return Document(text, id_text(document.id), metadata)


def identify_all(documents: Sequence[Document | str], *, blank: bool = False) -> list[Document]:
    """`identified` for a whole list, so that a bad item keeps all of it from being written.

    Args:
        documents: the list.
        blank: texts may be blank, since they are not to be encoded.

    Raises:
        InvalidDocument, InvalidText: as `identified`; names the position.
    """
    named = []
    for position, item in enumerate(documents):
        try:
            named.append(identified(item))
            if not blank:
                check_texts([named[-1].text])
        except (InvalidDocument, InvalidText) as error:
            reason = str(error).removeprefix("text 0 is ").removeprefix("text 0 ")
            raise type(error)(f"document {position}: {reason}") from error
    return named


def check_lengths(documents: Sequence[Document], encoder: Encoder) -> None:
    """Refuse a list of which the encoder would refuse a part, when some was written already.

    Raises:
        InputTooLong: one is too long, and that is an error to the encoder.
    """
    limit = encoder.max_tokens
    if limit is None or getattr(encoder, "truncation", None) != "error":
        return
    counts = encoder.count_tokens([document.text for document in documents], Role.DOCUMENT)
    enforce([max(0, count - limit) for count in counts], limit, "error")


def batches(documents: Iterable[Document | str], size: int) -> Iterator[tuple[list[Document], int]]:
    """Documents with ids, in batches of at most ``size`` with equal ids dropped but for the last.

    Yields:
        The batch, and how many documents were read for it.
    """
    batch: dict[int | str, Document] = {}
    read = characters = 0
    for item in documents:
        document = identified(item)
        assert document.id is not None
        key = point_id(document.id)
        batch.pop(key, None)
        batch[key] = document
        read += 1
        characters += len(document.text)
        if read >= size or characters >= _BATCH_CHARACTERS:
            yield list(batch.values()), read
            batch, read, characters = {}, 0, 0
    if batch:
        yield list(batch.values()), read


def checked_rows(encoder: Encoder, vectors: npt.ArrayLike, count: int, dim: int) -> Matrix:
    """An encoder's vectors in the collection's dimension; checked, since anyone may write one.

    Raises:
        InvalidVector: not one for each text, or not finite.
    """
    rows = unit_rows(vectors, encoder.dim)
    if len(rows) != count:
        raise InvalidVector(f"{encoder.name} gave {len(rows)} vectors for {count} texts")
    return cut_dimensions(rows, dim)


def points_of(
    documents: Sequence[Document],
    vectors: Matrix,
    dropped: Sequence[int] = (),
    nodes: Sequence[Node | None] = (),
) -> list[Point]:
    """Points ready to write, one for each document.

    Args:
        documents: n of them, with ids.
        vectors: unit rows (n, dim).
        dropped: tokens cut from each text; empty means none.
        nodes: LlamaIndex's view of each document; empty means plain text nodes.
    """
    points = []
    for position, document in enumerate(documents):
        assert document.id is not None
        payload = payload_of(
            document,
            document.id,
            dropped_tokens=dropped[position] if dropped else 0,
            node=nodes[position] if nodes else None,
        )
        points.append(Point(point_id(document.id), vectors[position], payload))
    return points
