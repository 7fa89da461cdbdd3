"""Stems of words, by the Snowball algorithms."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rolevec.errors import MissingExtra


def stemmer(language: str) -> Callable[[str], str]:
    """The stemmer of a language, such as "german".

    Raises:
        ValueError: there is none, with those there are.
        MissingExtra: snowballstemmer is not installed.
    """
    snowball = _snowball()
    known = sorted(snowball.algorithms())
    if language not in known:
        raise ValueError(
            f'there is no stemmer for language={language!r}; use None, "none", or one of'
            f" {', '.join(known)}"
        )
    algorithm, lock = snowball.stemmer(language), threading.Lock()

    def stem(word: str) -> str:
        with lock:  # the algorithm keeps the word it works on in itself
            return str(algorithm.stemWord(word))

    return stem


def _snowball() -> Any:
    try:
        import snowballstemmer  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtra("snowballstemmer", "hybrid") from error
    return snowballstemmer
