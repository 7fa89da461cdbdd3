"""What the letters of a vocabulary sound like."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import numpy as np
from tokenizers import Tokenizer

from rolevec.encoders.sounds import CONSONANTS, PER_LETTER, VOWEL, Letters, packed
from rolevec.errors import MissingExtra

_SYMBOLS = {c: number for number, group in enumerate(CONSONANTS, 1) for c in group}
_SYMBOLS |= dict.fromkeys("aeiouy", VOWEL)


def letters_of(tokenizer: Tokenizer) -> Letters:
    """Every letter of a vocabulary, and what it sounds like by its transliteration.

    The transliteration is that of anyascii; it is looked up once and stored with the model, so that
    vectors do not change with its version.

    Args:
        tokenizer: whose pieces the letters are of. Marks are letters, too: the vowels of Devanagari
            are, and accents are silent.

    Raises:
        MissingExtra: anyascii is not installed.
    """
    points = sorted({ord(c) for piece in tokenizer.get_vocab() for c in piece if _is_letter(c)})
    codes = [packed([*_symbols(chr(point))][:PER_LETTER]) for point in points]
    return Letters(np.array(points, np.int64), np.array(codes, np.uint16))


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LM"


def _symbols(character: str) -> Iterator[int]:
    try:
        from anyascii import anyascii
    except ImportError as error:
        raise MissingExtra("anyascii", "train") from error
    for sign in anyascii(character).lower():
        if sign in _SYMBOLS:
            yield _SYMBOLS[sign]
