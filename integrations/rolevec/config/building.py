"""From settings to an encoder and a collection: plain, in LangChain and in LlamaIndex."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from rolevec.config.settings import (
    CollectionSettings,
    EncoderSettings,
    RerankerSettings,
    plain,
)
from rolevec.encoders.loading import load_encoder
from rolevec.encoders.scoring import load_scorer
from rolevec.qdrant.collection import Collection
from rolevec.qdrant.placement import ServerOptions
from rolevec.ranking.rerank import PairScorer

if TYPE_CHECKING:
    from rolevec import langchain, llama_index
    from rolevec.encoders.protocol import Encoder


class LangChainParts(NamedTuple):
    """What LangChain gets; ``reranker`` is None if the file has none."""

    embeddings: langchain.RolevecEmbeddings
    store: langchain.RolevecVectorStore
    reranker: langchain.RolevecReranker | None


class LlamaIndexParts(NamedTuple):
    """What LlamaIndex gets; ``reranker`` is None if the file has none."""

    embedding: llama_index.RolevecEmbedding
    store: llama_index.RolevecVectorStore
    reranker: llama_index.RolevecRerank | None


@dataclass(frozen=True, slots=True)
class Config:
    """An encoder, a collection and maybe a reranker; read one with `load_config`.

    Every method builds anew; what it opened is the caller's to close.
    """

    encoder_settings: EncoderSettings = field(default_factory=EncoderSettings)
    collection_settings: CollectionSettings = field(default_factory=CollectionSettings)
    reranker_settings: RerankerSettings | None = None

    def encoder(self) -> Encoder:
        """The encoder, loaded; errors are those of `load_encoder`."""
        return load_encoder(self.encoder_settings.model, **self.encoder_settings.options())

    def collection(self, *, create: bool = True, server: ServerOptions | None = None) -> Collection:
        """The collection, opened with the encoder; arguments and errors are `Collection.open`'s."""
        settings = self.collection_settings
        options = settings.options()
        return Collection.open(
            settings.name, self.encoder(), create=create, server=server, **options
        )

    def scorer(self, encoder: Encoder | None = None) -> Encoder | PairScorer | None:
        """What `rerank` takes, loaded, or None if there is no reranker.

        Args:
            encoder: that of this configuration, if it is loaded already.
        """
        settings = self.reranker_settings
        if settings is None:
            return None
        if settings.kind == "cross-encoder":
            return load_scorer(settings.model, **settings.loading())
        if not settings.model:
            return encoder or self.encoder()
        return load_encoder(settings.model, **settings.loading())

    def langchain(self) -> LangChainParts:
        """Embeddings, store and reranker for LangChain.

        Raises:
            MissingExtra: langchain-core is not installed.
        """
        from rolevec.langchain import RolevecEmbeddings, RolevecReranker, RolevecVectorStore

        embeddings = RolevecEmbeddings(self.encoder_settings.model, **self._embedding_options())
        scorer, top_n = self.scorer(embeddings.encoder), self._top_n()
        reranker = None if scorer is None else RolevecReranker.from_scorer(scorer, top_n=top_n)
        settings = self.collection_settings
        store = RolevecVectorStore(embeddings, collection_name=settings.name, **settings.options())
        return LangChainParts(embeddings, store, reranker)

    def llama_index(self) -> LlamaIndexParts:
        """Embedding, store and reranker for LlamaIndex.

        Raises:
            MissingExtra: llama-index-core is not installed.
        """
        from rolevec.llama_index import RolevecEmbedding, RolevecRerank, RolevecVectorStore

        embedding = RolevecEmbedding(self.encoder_settings.model, **self._embedding_options())
        scorer, top_n = self.scorer(embedding.encoder), self._top_n()
        reranker = None if scorer is None else RolevecRerank.from_scorer(scorer, top_n=top_n)
        settings = self.collection_settings
        store = RolevecVectorStore(settings.name, embed_model=embedding, **settings.options())
        return LlamaIndexParts(embedding, store, reranker)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """What a file of these settings says: the tables, without what is as by default."""
        reranker = self.reranker_settings
        tables = {
            "encoder": plain(self.encoder_settings),
            "collection": plain(self.collection_settings),
        }
        tables = {name: table for name, table in tables.items() if table}
        return tables if reranker is None else {**tables, "reranker": plain(reranker)}

    def _embedding_options(self) -> dict[str, Any]:
        options = self.encoder_settings.options()
        prompts = options.get("prompts")
        return {**options, "prompts": dict(prompts)} if isinstance(prompts, Mapping) else options

    def _top_n(self) -> int | None:
        return (self.reranker_settings and self.reranker_settings.top_n) or None
