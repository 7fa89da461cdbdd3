"""Texts as terms for keyword search, in any language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache

from rolevec.ranking.stemming import stemmer

# Scripts written without spaces between words, and how many characters make a term of them. The
# Korean one has spaces, but glues particles to its nouns.
_GRAMS: tuple[tuple[str, int], ...] = (
    ("\u2e80-\u3007\u3021-\u312f\u31a0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff", 2),
    ("\u1100-\u11ff\uac00-\ud7ff", 2),  # Hangul
    ("\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff", 3),  # Thai, Lao, Tibetan, Burmese, Khmer
)
# Marks that readers add and drop: accents of Latin, Greek and Cyrillic letters.
_ACCENTS = re.compile("[\u0300-\u036f]+")
# Signs that writers of Arabic and Hebrew leave out as a rule: vowels, hamza above and below a
# letter, and the stretching of a line.
_OPTIONAL = re.compile("[\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670]+")
# Letters that Unicode does not take apart.
_PLAIN = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d"})
# Inflected forms mostly share their beginning. Cutting words to it is the language-free stand-in
# for a stemmer; what each is worth is measured by benchmarks/hybrid.py.
_PREFIX = 5
_WORDS_KEPT = 1 << 17
WRITTEN = "none"


def terms(text: str, language: str | None = None) -> list[str]:
    """The terms of a text, in order, with repetitions.

    Letter case and Unicode's compatibility forms do not count. A word of Chinese, Japanese or
    Korean becomes its pairs of characters, one of Thai, Lao, Tibetan, Burmese or Khmer its
    triples. Any other word is one term as it is written, and, where that differs, one more: its
    first five letters without accents.

    Args:
        text: any.
        language: of all texts, as Snowball calls it; a word's one term is then its stem without
            accents. "none" makes it the word as it is written. None suits any mixture.

    Raises:
        ValueError: no such language.
        MissingExtra: a language is named, and snowballstemmer is not installed.
    """
    forms = _forms(language)
    found: list[str] = []
    for word in _word().findall(unicodedata.normalize("NFKC", text).casefold()):
        if word.isascii():
            found += forms(word)
            continue
        for run in _runs().finditer(word):
            size = run.lastindex
            found += forms(run[0]) if size is None else _grams(run[0], _GRAMS[size - 1][1])
    return found


def _grams(run: str, size: int) -> list[str]:
    return [run[i : i + size] for i in range(max(1, len(run) - size + 1))]


@cache
def _forms(language: str | None) -> Callable[[str], tuple[str, ...]]:
    """What becomes of one word; words repeat, so the last ones are kept."""
    if language == WRITTEN:
        return lru_cache(_WORDS_KEPT)(lambda word: (_settled(word),))
    if language is None:
        return lru_cache(_WORDS_KEPT)(_written_and_short)
    stem = stemmer(language)
    return lru_cache(_WORDS_KEPT)(lambda word: (_folded(stem(word)),))


def _written_and_short(word: str) -> tuple[str, ...]:
    written = _settled(word)
    short = _folded(written)[:_PREFIX]
    return (written,) if short == written else (written, short)


def _settled(word: str) -> str:
    return _without(_OPTIONAL, word)


def _folded(word: str) -> str:
    return word if word.isascii() else _without(_ACCENTS, _settled(word)).translate(_PLAIN)


def _without(marks: re.Pattern[str], word: str) -> str:
    if word.isascii():
        return word
    # A word of nothing but marks, such as the stretching of a line alone, stays as it is.
    kept = marks.sub("", unicodedata.normalize("NFD", word)) or word
    return unicodedata.normalize("NFC", kept)


@cache
def _word() -> re.Pattern[str]:
    """Letters and digits, with the marks on them, which ``\\w`` leaves out."""
    marks = "".join(
        chr(c) for c in range(0x300, 0x20000) if unicodedata.category(chr(c)).startswith("M")
    )
    return re.compile(f"[^\\W_](?:[^\\W_]|[{marks}])*")


@cache
def _runs() -> re.Pattern[str]:
    """Stretches of a word in one kind of script; the group tells which of ``_GRAMS``."""
    grams = "|".join(f"([{script}]+)" for script, _ in _GRAMS)
    return re.compile(f"{grams}|[^{''.join(script for script, _ in _GRAMS)}]+")
