"""Any LangChain Embeddings as an encoder."""

from __future__ import annotations

import asyncio
from typing import Any

from langchain_core.embeddings import Embeddings

from rolevec.encoders.foreign import ForeignEncoder
from rolevec.encoders.protocol import Encoder
from rolevec.langchain.embeddings import RolevecEmbeddings

# Where embedding classes keep the name of their model.
_NAMES = ("model", "model_name", "model_id", "deployment", "repo_id")


def encoder_of(embedding: Embeddings) -> Encoder:
    """Our own encoder, or a foreign class seen as one.

    A foreign class is identified by its name, its model's name and the dimension, which one
    embedded word tells.
    """
    if isinstance(embedding, RolevecEmbeddings):
        return embedding.encoder
    if not isinstance(embedding, Embeddings):
        raise TypeError(
            f"embedding is a {type(embedding).__name__}, not a LangChain Embeddings;"
            " use RolevecEmbeddings.from_encoder(...) for an encoder of rolevec"
        )

    def embed_queries(texts: list[str]) -> Any:
        return [embedding.embed_query(text) for text in texts]

    async def aembed_queries(texts: list[str]) -> Any:
        return await asyncio.gather(*map(embedding.aembed_query, texts))

    return ForeignEncoder(
        _name(embedding),
        dim=len(embedding.embed_query("dimension")),
        embed_queries=embed_queries,
        embed_documents=embedding.embed_documents,
        aembed_queries=aembed_queries,
        aembed_documents=embedding.aembed_documents,
    )


def _name(embedding: Embeddings) -> str:
    # LangChain's cache keeps the vectors of another class.
    inner = getattr(embedding, "underlying_embeddings", None)
    if isinstance(inner, Embeddings):
        return _name(inner)
    kind = f"{type(embedding).__module__.partition('.')[0]}.{type(embedding).__qualname__}"
    names = (getattr(embedding, attribute, None) for attribute in _NAMES)
    model = next((name for name in names if isinstance(name, str) and name), None)
    return f"{kind}/{model}" if model else kind
