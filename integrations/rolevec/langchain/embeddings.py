"""RolevecEmbeddings: an encoder behind LangChain's Embeddings."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from langchain_core.embeddings import Embeddings
from langchain_core.load.serializable import Serializable
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr

from rolevec.encoders.loading import load_encoder
from rolevec.encoders.protocol import Encoder
from rolevec.roles import Role
from rolevec.truncation import TruncationPolicy

API_KEY = "ROLEVEC_API_KEY"

# Settings that `load_encoder` gets only if they were made; the other fields it always gets.
_OPTIONAL = (
    *("revision", "pooling", "max_tokens", "file", "threads", "precision", "trust_remote_code"),
    *("base_url", "timeout", "max_retries", "requests_per_minute", "tokens_per_minute"),
)


class RolevecEmbeddings(Serializable, Embeddings):
    """Query and document vectors of length 1, each text under its own role.

    ``embed_query`` encodes under `Role.QUERY`, ``embed_documents`` under `Role.DOCUMENT`. The model
    is loaded when it is first needed, once. The settings are those of `load_encoder`; pickling
    leaves ``api_key`` out.

    Args:
        model: whatever `load_encoder` takes; "light" is in the package and works offline.
        encoder: a loaded encoder, used in place of loading ``model``.
        dimensions: deliver this many leading coordinates, re-normalised.
        truncation: what happens to over-long texts: "warn", "end", "start", "error" or "split".
        prompts: role -> template; wins over the model's own.
        device: "auto", "cpu", "cuda", …
        cache: keep vectors on disk: True in the user's cache folder, a path in that file.
        api_key: for a remote model; never shown, serialised as a secret's name.
        options: for an encoder that was added with `register_encoder`; not the place for secrets.

    Raises:
        ValidationError: an unknown argument, or a value of the wrong type.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    model: str = "light"
    dimensions: int | None = None
    truncation: TruncationPolicy = "warn"
    prompts: dict[str, str] | None = None
    device: str = "auto"
    cache: bool | str | None = None
    revision: str | None = None
    pooling: str | None = None
    max_tokens: int | None = None
    file: str | None = None
    threads: int | None = None
    precision: str | None = None
    trust_remote_code: bool | None = None
    base_url: str | None = None
    api_key: SecretStr | None = None
    timeout: float | None = None
    max_retries: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    _encoder: Encoder | None = PrivateAttr(default=None)
    _given: bool = PrivateAttr(default=False)
    _loading: Any = PrivateAttr(default_factory=threading.Lock)

    def __init__(
        self, model: str | Path = "light", *, encoder: Encoder | None = None, **settings: Any
    ) -> None:
        if isinstance(settings.get("cache"), Path):
            settings["cache"] = str(settings["cache"])
        if "api_key" in settings.get("options", ()):
            raise ValueError("options would show the key; pass it as api_key=")
        super().__init__(model=str(model), **settings)
        self._encoder, self._given = encoder, encoder is not None

    @classmethod
    def from_encoder(cls, encoder: Encoder) -> Self:
        """Wrap an encoder that is loaded already; such an object cannot be serialised to JSON."""
        return cls(encoder.name, encoder=encoder)

    @property
    def encoder(self) -> Encoder:
        """The encoder, loaded at first use.

        Raises:
            UnknownModel, ModelNotAvailable, MissingExtra: see `load_encoder`.
            TypeError: the model's backend lacks a setting.
        """
        encoder = self._encoder
        if encoder is None:
            with self._loading:
                encoder = self._encoder = self._encoder or self._load()
        return encoder

    def _load(self) -> Encoder:
        options = {name: getattr(self, name) for name in _OPTIONAL}
        if self.api_key is not None:
            options["api_key"] = self.api_key.get_secret_value()
        return load_encoder(
            self.model,
            prompts=self.prompts,
            dimensions=self.dimensions,
            truncation=self.truncation,
            device=self.device,
            cache=self.cache,
            **{name: value for name, value in options.items() if value is not None},
            **self.options,
        )

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query, of length 1."""
        return self.embed([text], Role.QUERY)[0]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The vectors of documents, of length 1, in order."""
        return self.embed(texts, Role.DOCUMENT)

    def embed(self, texts: Sequence[str], role: Role | str) -> list[list[float]]:
        """Vectors of length 1 under any role, in order; no texts give no vectors.

        Raises:
            InvalidText: a text is blank; names its position.
            UnsupportedRole: no such role.
        """
        rows: list[list[float]] = self.encoder.encode(texts, Role.parse(role)).tolist()
        return rows

    async def aembed_query(self, text: str) -> list[float]:
        """`embed_query` without blocking the event loop."""
        return (await self.aembed([text], Role.QUERY))[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """`embed_documents` without blocking the event loop."""
        return await self.aembed(texts, Role.DOCUMENT)

    async def aembed(self, texts: Sequence[str], role: Role | str) -> list[list[float]]:
        """`embed` without blocking the event loop, the first time's loading included."""
        loaded = self._encoder is not None
        encoder = self.encoder if loaded else await asyncio.to_thread(lambda: self.encoder)
        rows: list[list[float]] = (await encoder.aencode(texts, Role.parse(role))).tolist()
        return rows

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """True: `langchain_core.load.dumps` writes the settings."""
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        """The key is written as the name of a secret."""
        return {"api_key": API_KEY}

    def to_json(self) -> Any:
        """As LangChain serialises; an encoder that was handed in cannot be."""
        return self.to_json_not_implemented() if self._given else super().to_json()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RolevecEmbeddings):
            return NotImplemented
        if self._given or other._given:
            return self._encoder is other._encoder
        return dict(self) == dict(other)

    def __hash__(self) -> int:
        return hash((type(self), self.model))

    def __copy__(self) -> Self:
        return self.__deepcopy__()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        # Settings are frozen and encoders are safe to share: a copy must not load the model again.
        copied = type(self).model_construct(**dict(self))
        copied._encoder, copied._given = self._encoder, self._given
        return copied

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        private = dict(state["__pydantic_private__"] or {})
        private.pop("_loading", None)
        if not self._given:
            private["_encoder"] = None
        # The key must not travel: the other side reads it from its own environment.
        settings = {**state["__dict__"], "api_key": None}
        return {**state, "__dict__": settings, "__pydantic_private__": private}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        self._loading = threading.Lock()
