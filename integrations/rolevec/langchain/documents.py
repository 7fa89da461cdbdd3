"""Between LangChain's documents and ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.documents import Document as LangChainDocument

from rolevec.documents import Document, Hit
from rolevec.errors import InvalidText
from rolevec.qdrant.adding import identify_all


def identified_texts(
    texts: Iterable[str],
    metadatas: Sequence[dict[str, Any]] | None = None,
    ids: Sequence[str | None] | None = None,
) -> list[Document]:
    """Our documents, each with an id: the one given, else one derived from text and metadata.

    Raises:
        ValueError: not as many metadatas or ids as texts.
        InvalidDocument, InvalidText: one cannot be stored; names its position.
    """
    if isinstance(texts, str):  # whose items are its letters
        raise InvalidText("texts is a single string; pass a list")
    listed = list(texts)
    for name, given in (("metadatas", metadatas), ("ids", ids)):
        if given is not None and len(given) != len(listed):
            raise ValueError(f"{len(listed)} texts, but {len(given)} {name}")
    rows = zip(listed, metadatas or [{}] * len(listed), ids or [None] * len(listed), strict=True)
    return identify_all([Document(text, i, metadata or {}) for text, metadata, i in rows])


def identified_documents(
    documents: Iterable[LangChainDocument], ids: Sequence[str | None] | None = None
) -> list[Document]:
    """`identified_texts` of LangChain's documents; ``ids`` win over the documents' own."""
    listed = list(documents)
    return identified_texts(
        [document.page_content for document in listed],
        [document.metadata for document in listed],
        [document.id for document in listed] if ids is None else ids,
    )


def to_langchain(found: Document | Hit) -> LangChainDocument:
    """LangChain's document, with the id and the metadata it was added with."""
    return LangChainDocument(id=found.id, page_content=found.text, metadata=dict(found.metadata))
