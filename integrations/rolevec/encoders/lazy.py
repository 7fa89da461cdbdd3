"""A model loaded on first use, once, that pickles as the settings it is loaded from."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")


class Lazy(Generic[T]):
    """Loads a model when it is first asked for; safe to ask from many threads.

    Args:
        load: a function of a module, such as `load_encoder`, that takes the model's name and
            options.
        model: its name.
        options: keywords for ``load``.
        given: a model loaded elsewhere, used in place of all that.
    """

    def __init__(
        self, load: Callable[..., T], model: str, options: Mapping[str, Any], given: T | None = None
    ) -> None:
        self.load = load
        self.model = model
        self.options = dict(options)
        self.given = given
        self._loaded = given
        self._lock = threading.Lock()

    def get(self) -> T:
        """The model."""
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    self._loaded = self.load(self.model, **self.options)
        return self._loaded

    async def aget(self) -> T:
        """The model, loaded in a thread if it was not yet."""
        return await asyncio.to_thread(self.get) if self._loaded is None else self._loaded

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Lazy):
            return NotImplemented
        mine, theirs = (self.model, self.options), (other.model, other.options)
        return mine == theirs and self.given is other.given

    __hash__ = None  # type: ignore[assignment]

    def __deepcopy__(self, memo: object) -> Self:
        # Models are safe to share, and a second copy of a model is dear.
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # The key must not travel: the other side reads it from its own environment.
        options = {name: value for name, value in self.options.items() if name != "api_key"}
        return type(self), (self.load, self.model, options, self.given)
