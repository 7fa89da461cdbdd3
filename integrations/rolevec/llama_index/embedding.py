"""`RolevecEmbedding`: an encoder as LlamaIndex's embedding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import ConfigDict, Field, PrivateAttr, SecretStr

from rolevec.encoders.lazy import Lazy
from rolevec.encoders.loading import load_encoder
from rolevec.encoders.protocol import Encoder
from rolevec.llama_index.cache import CachedQueries, RoleCache
from rolevec.roles import Role
from rolevec.truncation import TruncationPolicy
from rolevec.vectors import Matrix

# Fields that `load_encoder` always gets; the others only if they were set.
_ALWAYS = frozenset({"prompts", "dimensions", "truncation", "device", "cache"})
_OPTIONAL = (
    *("revision", "pooling", "max_tokens", "file", "threads", "precision", "trust_remote_code"),
    *("base_url", "api_key", "timeout", "max_retries", "requests_per_minute", "tokens_per_minute"),
)


class RolevecEmbedding(CachedQueries, BaseEmbedding):
    """Embeds queries as queries and texts as documents.

    The model is loaded on first use. Its settings cannot be changed afterwards, because vectors of
    two models must not mix; make another embedding instead. Pickling leaves ``api_key`` out.

    Args:
        model_name: as for `load_encoder`; the other arguments up to ``tokens_per_minute`` too.
        embed_batch_size: texts handed to the encoder at a time, 1 to 2048; each batch is one
            event.
        embeddings_cache: a LlamaIndex key-value store; entries are kept apart by model and role.
        callback_manager, num_workers, rate_limiter: see LlamaIndex's ``BaseEmbedding``.
        encoder: a loaded encoder, used in place of loading ``model_name``.

    Raises:
        ValidationError: an unknown argument, or a value of the wrong type.
    """

    model_config = ConfigDict(extra="forbid", protected_namespaces=("pydantic_model_",))

    model_name: str = Field(default="light", frozen=True)
    embed_batch_size: int = Field(default=256, gt=0, le=2048)
    embeddings_cache: Any | None = Field(default=None, exclude=True, repr=False, frozen=True)
    dimensions: int | None = Field(default=None, frozen=True)
    truncation: TruncationPolicy = Field(default="warn", frozen=True)
    prompts: dict[str, str] | None = Field(default=None, frozen=True)
    device: str = Field(default="auto", frozen=True)
    cache: bool | str | None = Field(default=None, frozen=True)
    revision: str | None = Field(default=None, frozen=True)
    pooling: str | None = Field(default=None, frozen=True)
    max_tokens: int | None = Field(default=None, frozen=True)
    file: str | None = Field(default=None, frozen=True)
    threads: int | None = Field(default=None, frozen=True)
    precision: str | None = Field(default=None, frozen=True)
    trust_remote_code: bool | None = Field(default=None, frozen=True)
    base_url: str | None = Field(default=None, frozen=True)
    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False, frozen=True)
    timeout: float | None = Field(default=None, frozen=True)
    max_retries: int | None = Field(default=None, frozen=True)
    requests_per_minute: int | None = Field(default=None, frozen=True)
    tokens_per_minute: int | None = Field(default=None, frozen=True)

    _lazy: Lazy[Encoder] = PrivateAttr()

    def __init__(
        self, model_name: str | Path = "light", *, encoder: Encoder | None = None, **settings: Any
    ) -> None:
        if isinstance(settings.get("cache"), Path):
            settings["cache"] = str(settings["cache"])
        super().__init__(model_name=str(model_name), **settings)
        self._lazy = Lazy(load_encoder, self.model_name, self._options(), encoder)
        store = self.embeddings_cache
        if store is not None:
            inner = store.store if isinstance(store, RoleCache) else store
            # The field is frozen for everybody else.
            self.__dict__["embeddings_cache"] = RoleCache(inner, self._lazy)

    @classmethod
    def from_encoder(cls, encoder: Encoder, **settings: Any) -> Self:
        """Wrap a loaded encoder; ``settings`` are those that do not concern loading."""
        return cls(encoder.name, encoder=encoder, **settings)

    @classmethod
    def class_name(cls) -> str:
        """The name LlamaIndex serialises under."""
        return "RolevecEmbedding"

    @property
    def encoder(self) -> Encoder:
        """The encoder, loaded if it was not yet."""
        return self._lazy.get()

    def to_dict(self, **kwargs: Any) -> dict[str, Any]:
        """Settings without secrets, and the fingerprint.

        LlamaIndex builds the keys of its pipeline cache from this, so it changes with anything
        that changes the vectors, the weights in a folder included.
        """
        return {**super().to_dict(**kwargs), "fingerprint": self.encoder.fingerprint.to_dict()}

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> Self:
        """Make an embedding with the settings that `to_dict` wrote.

        A model that was handed in as an encoder is looked up by its name.
        """
        settings = {name: value for name, value in data.items() if name != "fingerprint"}
        return super().from_dict(settings, **kwargs)

    def to_payload(self) -> dict[str, Any]:
        """What events tell of this embedding; never a secret."""
        return {**super().to_payload(), "dimensions": self.dimensions}

    def embed(self, texts: Sequence[str], role: Role) -> Matrix:
        """Encode texts under any role: unit rows, shape (n, dim); no events, no cache."""
        return self.encoder.encode(texts, role)

    # The base classes do events, callbacks, batches, cache and rate limiter, and call these.

    def _get_query_embedding(self, query: str) -> Embedding:
        return _rows(self.encoder.encode_queries([query]))[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        encoder = await self._lazy.aget()
        return _rows(await encoder.aencode_queries([query]))[0]

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aget_text_embeddings([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return _rows(self.encoder.encode_documents(texts))

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        encoder = await self._lazy.aget()
        return _rows(await encoder.aencode_documents(texts))

    def _options(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in (*_ALWAYS, *_OPTIONAL)}
        options = {k: v for k, v in values.items() if v is not None or k in _ALWAYS}
        if self.api_key is not None:
            options["api_key"] = self.api_key.get_secret_value()
        return options

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state["__dict__"] = {**state["__dict__"], "api_key": None}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        # LlamaIndex's own falls back to a half-made object when this fails.
        lazy = (state.get("__pydantic_private__") or {}).get("_lazy")
        type(self).__init__(self, encoder=lazy.given if lazy else None, **state["__dict__"])


def _rows(matrix: Matrix) -> list[Embedding]:
    rows: list[Embedding] = matrix.tolist()
    return rows
