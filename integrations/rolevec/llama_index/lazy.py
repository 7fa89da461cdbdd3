"""An encoder loaded on first use, once, that pickles as the settings it is loaded from."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any, Self

from rolevec.encoders.loading import load_encoder
from rolevec.encoders.protocol import Encoder


class LazyEncoder:
    """Loads an encoder when it is first asked for; safe to ask from many threads.

    Args:
        model: as for `load_encoder`.
        options: keywords for `load_encoder`.
        encoder: an encoder loaded elsewhere, used in place of all that.
    """

    def __init__(
        self, model: str, options: Mapping[str, Any], encoder: Encoder | None = None
    ) -> None:
        self.model = model
        self.options = dict(options)
        self.given = encoder
        self._loaded = encoder
        self._lock = threading.Lock()

    def get(self) -> Encoder:
        """The encoder."""
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    self._loaded = load_encoder(self.model, **self.options)
        return self._loaded

    async def aget(self) -> Encoder:
        """The encoder, loaded in a thread if it was not yet."""
        return await asyncio.to_thread(self.get) if self._loaded is None else self._loaded

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LazyEncoder):
            return NotImplemented
        mine, theirs = (self.model, self.options), (other.model, other.options)
        return mine == theirs and self.given is other.given

    __hash__ = None  # type: ignore[assignment]

    def __deepcopy__(self, memo: object) -> Self:
        # Encoders are safe to share, and a second copy of a model is dear.
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # The key must not travel: the other side reads it from its own environment.
        options = {name: value for name, value in self.options.items() if name != "api_key"}
        return type(self), (self.model, options, self.given)
