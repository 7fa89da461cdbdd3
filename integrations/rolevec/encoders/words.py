"""Token ids by word: words repeat, so most text is never tokenised a second time."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from rolevec.encoders.lattice import Lattice
from rolevec.encoders.terms import slices
from rolevec.encoders.trie import Ints

# Words kept, and the characters in them: about 80 MB.
_WORDS = 1 << 18
_CHARACTERS = 1 << 22
# Characters handled at a time.
_AT_ONCE = 1 << 20
# Longer texts are tokenised whole; they gain least.
_LONGEST = 1 << 16
# Stands between two texts. No text holds it: lone surrogates are refused at the border.
_BREAK = "\udc00"
# White space to Python, but not to the tokenizers library.
_SEPARATORS = "\x1c\x1d\x1e\x1f"
# Normalisers that look at a character and its combining marks, never across a space.
_LOCAL = {"NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"}
_CLASS = re.compile(r"\[[^\[\]\s\\^&-]+\]")


class Tokens(NamedTuple):
    """Of n texts: known ids, text after text; how many each has; how many tokens with unknown."""

    ids: npt.NDArray[np.int32]
    known: Ints
    total: Ints


class WordIds:
    """A bounded cache from a word to its token ids.

    Right where the tokenizer splits at white space before anything else, and treats what is between
    two spaces alike wherever it stands; `of` tells. Safe to use from many threads.

    Args:
        tokenizer: without truncation and padding.
        facts: what its tokenizer.json holds.
        unknown: the id that is counted, but not kept; None if there is none.
        capacity: most words kept.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        facts: Mapping[str, Any],
        unknown: int | None,
        *,
        capacity: int = _WORDS,
    ) -> None:
        self._tokenizer = tokenizer
        self._unknown = unknown
        self._capacity = capacity
        self._lattice = Lattice(tokenizer, facts) if Lattice.is_possible(facts) else None
        self._special = _contents(facts)
        self._lock = threading.Lock()
        self._clear()

    @classmethod
    def of(cls, tokenizer: Tokenizer, unknown: int | None) -> WordIds | None:
        """A cache for this tokenizer; None if a text's tokens are not those of its words."""
        facts = json.loads(tokenizer.to_str())
        return cls(tokenizer, facts, unknown) if _splits_at_spaces(facts) else None

    def prefixes(self, before: str) -> bool:
        """True if a prompt's tokens stand before those of any text, and change none of them."""
        return not before or (
            before[-1].isspace()
            and before[-1] not in _SEPARATORS
            and not any(
                before.endswith(special[:cut])
                for special in self._special
                for cut in range(1, len(special))
            )
        )

    def refused(self, texts: Sequence[str]) -> list[int]:
        """Positions of texts that must be tokenised whole."""
        avoid = (*self._special, *_SEPARATORS)
        joined = _BREAK.join(texts)
        present = [string for string in avoid if string in joined]
        if not present and max(map(len, texts), default=0) <= _LONGEST:
            return []
        return [
            i
            for i, text in enumerate(texts)
            if len(text) > _LONGEST or any(string in text for string in present)
        ]

    def batches(self, texts: Sequence[str]) -> Iterator[tuple[int, Tokens]]:
        """Tokens of texts that are not `refused`, some at a time, with where those texts begin."""
        start = size = 0
        for end, text in enumerate(texts):
            size += len(text)
            if size > _AT_ONCE and end > start:
                yield start, self._tokens(texts[start:end])
                start, size = end, len(text)
        if len(texts) > start:
            yield start, self._tokens(texts[start:])

    def _tokens(self, texts: Sequence[str]) -> Tokens:
        words = f" {_BREAK} ".join(texts).split()
        with self._lock:
            places = self._places_of(words)
            known, total = self._known[places], self._total[places]
            ids = slices(self._ids, self._starts[places], known)
        breaks = np.flatnonzero(places == 0)
        return Tokens(ids, _between(breaks, known), _between(breaks, total))

    def _places_of(self, words: Sequence[str]) -> Ints:
        places = np.fromiter(map(self._places.get, words, repeat(-1)), np.int64, len(words))
        missing = np.flatnonzero(places < 0)
        if not missing.size:
            return places
        absent = [words[i] for i in missing.tolist()]
        new = list(dict.fromkeys(absent))
        size = self._size + sum(map(len, new))
        if len(self._places) + len(new) > self._capacity or size > _CHARACTERS:
            # Frequent words are back after a few texts; keeping track of use would cost more.
            self._clear()
            self._learn([word for word in dict.fromkeys(words) if word != _BREAK])
            return np.fromiter(map(self._places.__getitem__, words), np.int64, len(words))
        self._learn(new)
        places[missing] = np.fromiter(map(self._places.__getitem__, absent), np.int64, len(absent))
        return places

    def _clear(self) -> None:
        self._places = {_BREAK: 0}
        self._size = 0
        self._ids = np.zeros(0, np.int32)
        self._starts = self._known = self._total = np.zeros(1, np.int64)

    def _learn(self, words: list[str]) -> None:
        ids, counts = self._tokenise(words)
        total = counts
        if self._unknown is not None:
            keep = ids != self._unknown
            word = np.repeat(np.arange(len(words)), counts)
            ids, counts = ids[keep], np.bincount(word[keep], minlength=len(words))
        starts = np.cumsum(counts) - counts + len(self._ids)
        first = len(self._places)
        self._ids = np.concatenate([self._ids, ids])
        self._starts = np.concatenate([self._starts, starts])
        self._known = np.concatenate([self._known, counts])
        self._total = np.concatenate([self._total, total])
        self._places.update(zip(words, range(first, first + len(words)), strict=True))
        self._size += sum(map(len, words))

    def _tokenise(self, words: list[str]) -> tuple[npt.NDArray[np.int32], Ints]:
        """Ids word after word, and how many each word has."""
        if self._lattice is None:
            return self._ask(words)
        ids, counts, left = self._lattice.segment(words)
        if not left.size:
            return ids, counts
        more, numbers = self._ask([words[i] for i in left.tolist()])
        # Put them where their words are: all words' ids lie in two arrays, one behind the other.
        starts = np.cumsum(counts) - counts
        starts[left] = len(ids) + np.cumsum(numbers) - numbers
        counts[left] = numbers
        return slices(np.concatenate([ids, more]), starts, counts), counts

    def _ask(self, words: list[str]) -> tuple[npt.NDArray[np.int32], Ints]:
        encodings = self._tokenizer.encode_batch_fast(words, add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        counts = np.fromiter(map(len, ids), np.int64, len(ids))
        return np.fromiter(chain.from_iterable(ids), np.int32, int(counts.sum())), counts


def _between(breaks: Ints, counts: Ints) -> Ints:
    """Sums of counts between breaks, whose own count is 0."""
    totals = np.cumsum(counts)
    return np.diff(np.concatenate([[0], totals[breaks], totals[-1:]]))


def _contents(facts: Mapping[str, Any]) -> list[str]:
    return [token["content"] for token in facts.get("added_tokens") or () if token["content"]]


def _splits_at_spaces(facts: Mapping[str, Any]) -> bool:
    """True if a text's tokens are those of its words, one after the other."""
    splitters = _steps(facts.get("pre_tokenizer"), "pretokenizers")
    return (
        facts.get("post_processor") is None
        and bool(splitters)
        and splitters[0].get("type") == "WhitespaceSplit"
        and all(_prepends_always(step) for step in splitters)
        and all(_is_local(step) for step in _steps(facts.get("normalizer"), "normalizers"))
        # Tokens that are looked for in normalised text cannot be seen in the text itself.
        and not any(token.get("normalized") for token in facts.get("added_tokens") or ())
    )


def _steps(facts: Mapping[str, Any] | None, inner: str) -> list[Mapping[str, Any]]:
    if facts is None:
        return []
    return list(facts[inner]) if facts.get("type") == "Sequence" else [facts]


def _prepends_always(step: Mapping[str, Any]) -> bool:
    """A word mark that only the first word of a text gets, or lacks, would tell words apart."""
    return step.get("type") in ("WhitespaceSplit", "Punctuation") or (
        step.get("type") == "Metaspace" and step.get("prepend_scheme") == "always"
    )


def _is_local(step: Mapping[str, Any]) -> bool:
    if step.get("type") != "Replace":
        return step.get("type") in _LOCAL
    pattern = step.get("pattern") or {}
    one = pattern.get("String", "")
    return (len(one) == 1 and not one.isspace()) or bool(_CLASS.fullmatch(pattern.get("Regex", "")))
