"""Texts as terms: words, and in scripts that put no spaces between them, runs of pieces."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache

from tokenizers import Tokenizer

from rolevec.encoders.tokens import read_tokenizer
from rolevec.models.bundled import light_folder
from rolevec.scripts import UNSPACED, is_unspaced

# Characters read of a text, and of all together, so that the terms of many texts fit in memory.
_LEAST_READ = 200
_MOST_READ = 4000
_ALL_READ = 4_000_000
_LOOKED_AT = 80
_AT_ONCE = 1024
# Longest term of a script without spaces, in pieces of the tokenizer and in characters.
_PIECES = 3
_LONGEST = 12
_HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_HAN_OR_KATAKANA = re.compile(rf"(?P<han>[{_HAN}]+)|[\u30a0-\u30ff\u31f0-\u31ff\uff66-\uff9f]+")
_CHINESE_OR_JAPANESE = re.compile(rf"[{_HAN}\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f]")
# Longest word looked for in a run of Han characters.
_HAN_LONGEST = 4
_KANA = ("HIRAGANA", "KATAKANA")
_JOINERS = "'’\u200c\u200d\u00b7"


@cache
def _words() -> re.Pattern[str]:
    """A word: letters with their combining marks, joined by apostrophes; or an unspaced run."""
    # Python's \w leaves out combining marks, which would cut words of India's scripts at vowels.
    marks = _ranges("M")
    letter = rf"(?:(?![{UNSPACED}])(?:[^\W_]|[{marks}]))"
    unspaced = rf"(?:[{UNSPACED}](?:[{marks}])*)+"
    return re.compile(rf"{letter}+(?:[{_JOINERS}]{letter}+)*|{unspaced}")


def _ranges(category: str) -> str:
    """Unicode characters of a major category as the inside of a character class."""
    codes = [c for c in range(sys.maxunicode + 1) if unicodedata.category(chr(c))[0] == category]
    starts = [c for i, c in enumerate(codes) if i == 0 or codes[i - 1] != c - 1]
    ends = [c for i, c in enumerate(codes) if i + 1 == len(codes) or codes[i + 1] != c + 1]
    return "".join(
        f"{re.escape(chr(a))}-{re.escape(chr(b))}" for a, b in zip(starts, ends, strict=True)
    )


@cache
def _pieces() -> Tokenizer:
    return read_tokenizer(light_folder() / "tokenizer.json")


def script_of(text: str) -> str:
    """The script of most letters at a text's beginning, by the names that Unicode gives them."""
    names = (unicodedata.name(letter, "") for letter in text[:_LOOKED_AT] if letter.isalpha())
    scripts = Counter(name.partition(" ")[0] for name in names)
    script = max(sorted(scripts), key=lambda script: scripts[script], default="")
    # Japanese mixes three scripts, and which of them leads is chance.
    return _KANA[0] if script == "CJK" and any(scripts[kana] for kana in _KANA) else script


def terms_of(texts: Sequence[str]) -> Iterator[set[str]]:
    """The different terms of each text, as they are written, in order of the texts.

    Words have at least two characters and no digits. Where a script puts no spaces between words,
    terms are one to three neighbouring pieces of the bundled model's tokenizer, and of Han
    characters all runs of two to four, besides each by itself, which tells what runs begin and end
    with (see `is_unspaced`). Of many texts, the beginnings are read.
    """
    most = max(_LEAST_READ, min(_MOST_READ, _ALL_READ // max(len(texts), 1)))
    for start in range(0, len(texts), _AT_ONCE):
        found: list[set[str]] = []
        runs: list[tuple[int, str]] = []
        for number, text in enumerate(texts[start : start + _AT_ONCE]):
            words = _words().findall(unicodedata.normalize("NFC", text[:most]))
            runs += [(number, word) for word in words if is_unspaced(word)]
            found.append({word for word in words if _is_word(word)})
        encoded = _pieces().encode_batch([run for _, run in runs], add_special_tokens=False)
        for (number, run), tokens in zip(runs, encoded, strict=True):
            found[number].update(_neighbours(run, [begin for begin, _ in tokens.offsets]))
            found[number].update(_characters(run))
        yield from found


def _is_word(word: str) -> bool:
    if is_unspaced(word):
        return False
    return len(word) >= 2 and not any(character.isdigit() for character in word)


def _neighbours(run: str, begins: list[int]) -> Iterator[str]:
    """Terms of one to three pieces of a run that begin and end between characters as read."""
    # A combining mark belongs to the letter before it.
    borders = sorted({b for b in begins if unicodedata.category(run[b])[0] != "M"} | {len(run)})
    for i, begin in enumerate(borders):
        for end in borders[i + 1 : i + 1 + _PIECES]:
            letters = sum(unicodedata.category(c)[0] != "M" for c in run[begin:end])
            if letters >= 2 and end - begin <= _LONGEST:
                yield run[begin:end]


def _characters(run: str) -> Iterator[str]:
    """Terms of a run by its characters: pieces cut the same word differently in other places."""
    yield from _CHINESE_OR_JAPANESE.findall(run)
    for part in _HAN_OR_KATAKANA.finditer(run):
        text = part.group()
        if part["han"] is None:
            yield text
            continue
        for begin in range(len(text)):
            for end in range(begin + 2, min(begin + _HAN_LONGEST, len(text)) + 1):
                yield text[begin:end]
