"""A Unigram vocabulary that is fair to small languages and knows the role prompts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import log
from pathlib import Path

import numpy as np
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from rolevec.encoders.lattice import WORD_MARK
from rolevec.training.data import language_shares, source_weight

UNKNOWN = "<unk>"
_RESERVOIR = 100_000
# Of a score behind the point; more would be a third of the file and tell no two pieces apart.
_DIGITS = 4
_LONGEST = 16
# Soft hyphen, joiners' neighbours and direction marks are invisible noise; the zero-width joiners
# themselves (200c, 200d) matter in Persian and Indic spelling. Hebrew points, Arabic vowel signs
# and the tatweel are written or left out as a writer likes.
_LEFT_OUT = (
    "\u00ad\u200b\u200e\u200f\u2060\ufeff"
    + "".join(map(chr, range(0x591, 0x5BE)))
    + "\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u0670"
    + "".join(map(chr, range(0x64B, 0x653)))
)
# Spellings that part the forms of one word: the Greek accent wanders from form to form and goes in
# capitals, and so does the final sigma; Arabic hamzas on alef and Russian dots are often left out.
_FOLDED = {
    "ά": "α",
    "έ": "ε",
    "ή": "η",
    "ί": "ι",
    "ϊ": "ι",
    "ΐ": "ι",
    "ό": "ο",
    "ύ": "υ",
    "ϋ": "υ",
    "ΰ": "υ",
    "ώ": "ω",
    "ς": "σ",
    "أ": "ا",
    "إ": "ا",
    "ٱ": "ا",
    "ى": "ي",
    "ё": "е",
}


def blank_tokenizer() -> Tokenizer:
    """Normalisation and word splitting, without a vocabulary.

    Letters are lower-cased because a bag of tokens gains nothing from a second row for a word at
    the start of a sentence. Every word carries the word mark, also after punctuation, so that
    "(word" and "word" share a row.
    """
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(f"[{_LEFT_OUT}]"), ""),
            *(normalizers.Replace(one, other) for one, other in _FOLDED.items()),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Punctuation("isolated"),
            pre_tokenizers.Metaspace(replacement=WORD_MARK, prepend_scheme="always", split=True),
        ]
    )
    return tokenizer


class LineSampler:
    """Texts of every language, from which balanced samples are drawn.

    One pass over the texts in bounded memory: a reservoir per language.

    Args:
        texts: (language, text, source).
        weights: prefix of a source -> chance that a text of it is considered, at most 1.
        seed: seed of the draws.
    """

    def __init__(
        self, texts: Iterable[tuple[str, str, str]], weights: Mapping[str, float], seed: int
    ) -> None:
        self._seed = seed
        self._kept: dict[str, list[str]] = {}
        self._seen: dict[str, int] = {}
        chances: dict[str, float] = {}
        draws = _Uniform(np.random.default_rng(seed))
        for lang, text, source in texts:
            chance = chances.setdefault(source, min(1.0, source_weight(source, weights)))
            if chance < 1.0 and draws.next() >= chance:
                continue
            pool = self._kept.setdefault(lang, [])
            self._seen[lang] = count = self._seen.get(lang, 0) + 1
            if len(pool) < _RESERVOIR:
                pool.append(text)
            elif (place := int(draws.next() * count)) < _RESERVOIR:
                pool[place] = text

    def lines(self, number: int, temperature: float) -> list[str]:
        """About ``number`` texts, languages shared out by temperature.

        Args:
            number: how many to aim at; small languages may fall short of their share.
            temperature: exponent on the weighted number of texts of a language.
        """
        rng = np.random.default_rng(self._seed)
        sample: list[str] = []
        for lang, share in sorted(language_shares(self._seen, temperature).items()):
            pool = self._kept[lang]
            size = min(len(pool), max(1, round(share * number)))
            sample += [pool[i] for i in rng.permutation(len(pool))[:size]]
        return sample


class _Uniform:
    """Numbers in [0, 1) drawn in blocks; one call at a time would take minutes."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._block: list[float] = []

    def next(self) -> float:
        if not self._block:
            self._block = self._rng.random(65536).tolist()
        return self._block.pop()


def train_tokenizer(
    lines: list[str],
    vocab: int,
    prompts: Mapping[str, str],
    *,
    whole_words: float = 0.5,
    word_lines: Sequence[str] | None = None,
) -> Tokenizer:
    """Learn a Unigram vocabulary; each prompt becomes one added token at the end of the table.

    The trainer takes its candidates from substrings of distinct words, so a frequent word that is
    part of no other word is never one, and is cut into pieces without meaning. A share of the
    table is therefore given to whole words, scored by their own frequency: those that are frequent
    and cut into many pieces.

    Args:
        lines: text to learn from, already balanced over languages.
        vocab: upper bound on the entries, prompts included.
        prompts: role -> prefix.
        whole_words: share of the table filled with whole words.
        word_lines: text in which they are counted; None takes ``lines``.

    Returns:
        A tokenizer without truncation or padding; "query: hello" gives the prompt's token
        followed by the tokens of "hello".

    Raises:
        ValueError: the texts have more different characters than there is room for.
    """
    room = vocab - len(prompts)
    size = max(2, round(room * (1 - whole_words)))
    tokenizer = blank_tokenizer()
    trainer = trainers.UnigramTrainer(
        vocab_size=size,
        special_tokens=[UNKNOWN],
        unk_token=UNKNOWN,
        max_piece_length=_LONGEST,
        n_sub_iterations=2,
        shrinking_factor=0.7,
        show_progress=False,
    )
    try:
        tokenizer.train_from_iterator(lines, trainer, length=len(lines))
    except Exception as error:
        if "not large enough" not in str(error):
            raise
        raise ValueError(
            f"vocab={vocab} and whole_words={whole_words} leave {size} pieces, and the texts have"
            " more different characters than that; set a larger vocab, or fewer whole words"
        ) from None
    pieces = [(str(p), float(s)) for p, s in json.loads(tokenizer.to_str())["model"]["vocab"]]
    tokenizer.model = models.Unigram(
        _with_words(pieces, tokenizer, lines if word_lines is None else word_lines, room), unk_id=0
    )
    tokenizer.add_special_tokens(
        [AddedToken(text, special=True, normalized=False) for text in prompts.values()]
    )
    return tokenizer


def _with_words(
    pieces: list[tuple[str, float]], tokenizer: Tokenizer, lines: Sequence[str], room: int
) -> list[tuple[str, float]]:
    """Fill ``pieces`` up to ``room`` with words that are not among them.

    A word is worth its count times the logarithm of the number of pieces it is cut into without a
    row of its own. By count alone, languages of short words would take nearly all of the room.
    """
    known = {piece for piece, _ in pieces}
    counts: Counter[str] = Counter()
    splitter, normalizer = tokenizer.pre_tokenizer, tokenizer.normalizer
    for line in lines:
        counts.update(w for w, _ in splitter.pre_tokenize_str(normalizer.normalize_str(line)))
    total = sum(counts.values())
    model = models.Unigram(pieces, unk_id=0)
    worth = {
        word: count * log(len(model.tokenize(word)))
        for word, count in counts.items()
        if count > 1 and len(word) <= _LONGEST and word not in known
    }
    ranked = sorted(worth, key=lambda word: (-worth[word], word))
    scored = [(word, log(counts[word] / total)) for word in ranked[: room - len(pieces)]]
    return [(piece, round(score, _DIGITS)) for piece, score in pieces + scored]


def save_tokenizer(tokenizer: Tokenizer, path: Path) -> None:
    """Write compact JSON without truncation and padding."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    path.write_text(tokenizer.to_str(pretty=False), encoding="utf-8")
