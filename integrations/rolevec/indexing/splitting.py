"""Long documents in parts, on paragraph, sentence and word borders of any script."""

from __future__ import annotations

from collections.abc import Mapping

from rolevec.documents import JSON, Document
from rolevec.encoders.protocol import Encoder
from rolevec.errors import InvalidDocument, MissingExtra
from rolevec.roles import Role

PARENT, START, END, INDEX = "parent_id", "chunk_start", "chunk_end", "chunk_index"


class Splitter:
    """Cuts texts so that each part is within a number of tokens.

    Borders are those of Unicode: paragraphs (runs of line ends), then sentences, words, characters.

    Args:
        encoder: whose tokens are counted, prompt and special tokens included.
        size: most tokens in a part.
        overlap: most tokens that a part repeats of the one before.

    Raises:
        MissingExtra: ``semantic-text-splitter`` is not installed.
        ValueError: sizes that leave no room, or more than the encoder takes.
    """

    def __init__(self, encoder: Encoder, size: int, overlap: int = 0) -> None:
        try:
            from semantic_text_splitter import TextSplitter
        except ImportError as error:
            raise MissingExtra("semantic-text-splitter", "split") from error
        fixed = max(0, encoder.count_tokens(["a"], Role.DOCUMENT)[0] - 1)
        if size <= fixed or not 0 <= overlap < size - fixed:
            raise ValueError(
                f"split={size} with overlap={overlap}: {encoder.name} adds {fixed} tokens of its"
                f" own to a text; split must be over {fixed}, and overlap below what it leaves"
            )
        if encoder.max_tokens is not None and size > encoder.max_tokens:
            raise ValueError(
                f"split={size}, but {encoder.name} takes {encoder.max_tokens} tokens; split into"
                " that many or fewer"
            )

        def tokens(text: str) -> int:
            if not text or text.isspace():
                return 0
            return max(0, encoder.count_tokens([text], Role.DOCUMENT)[0] - fixed)

        self._splitter = TextSplitter.from_callback(tokens, size - fixed, overlap)

    def parts(self, document: Document) -> list[Document]:
        """The document itself if it is short enough, else its parts in order.

        A part's id is the parent's with "#" and the part's number; its metadata are the parent's
        and "parent_id", "chunk_index", "chunk_start", "chunk_end": characters
        ``[start:end]`` of the parent's text are the part's text.

        Args:
            document: with an id.

        Raises:
            InvalidDocument: the metadata use one of those names.
        """
        assert document.id is not None
        pieces = [(at, text) for at, text in self._splitter.chunk_indices(document.text) if text]
        if len(pieces) < 2:
            return [document]
        if clash := {PARENT, START, END, INDEX} & document.metadata.keys():
            raise InvalidDocument(
                f"its metadata use {', '.join(sorted(clash))}, which splitting sets; rename it"
            )
        return [
            Document(text, part_id(document.id, number), _metadata(document, number, at, text))
            for number, (at, text) in enumerate(pieces)
        ]


def part_id(parent: str, number: int) -> str:
    """The id of one part."""
    return f"{parent}#{number}"


def _metadata(parent: Document, number: int, at: int, text: str) -> Mapping[str, JSON]:
    own: dict[str, JSON] = {PARENT: parent.id, INDEX: number, START: at, END: at + len(text)}
    return {**parent.metadata, **own}
