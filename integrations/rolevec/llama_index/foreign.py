"""Any LlamaIndex embedding as an encoder, for a collection to know it by."""

from __future__ import annotations

import asyncio

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding

from rolevec.encoders.foreign import ForeignEncoder
from rolevec.encoders.protocol import Encoder
from rolevec.llama_index.embedding import RolevecEmbedding


def encoder_of(embed_model: BaseEmbedding | Encoder) -> Encoder:
    """The encoder behind an embedding; one of another library is asked once for its dimension.

    Raises:
        TypeError: neither an embedding nor an encoder.
    """
    if isinstance(embed_model, RolevecEmbedding):
        return embed_model.encoder
    if isinstance(embed_model, BaseEmbedding):
        return _foreign(embed_model)
    if isinstance(embed_model, Encoder):
        return embed_model
    raise TypeError(
        f"embed_model is a {type(embed_model).__name__}; it must be a RolevecEmbedding, another"
        " LlamaIndex embedding or an encoder"
    )


def _foreign(embedding: BaseEmbedding) -> ForeignEncoder:
    def queries(texts: list[str]) -> list[Embedding]:
        return [embedding.get_query_embedding(text) for text in texts]

    async def aqueries(texts: list[str]) -> list[Embedding]:
        return list(await asyncio.gather(*map(embedding.aget_query_embedding, texts)))

    return ForeignEncoder(
        f"{embedding.class_name()}/{embedding.model_name}",
        dim=len(embedding.get_text_embedding("dimension")),
        embed_queries=queries,
        embed_documents=embedding.get_text_embedding_batch,
        aembed_queries=aqueries,
        aembed_documents=embedding.aget_text_embedding_batch,
    )
