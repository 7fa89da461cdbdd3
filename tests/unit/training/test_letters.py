"""What letters sound like, by their transliteration."""

import sys

import pytest
from tokenizers import Tokenizer, models

from rolevec.encoders.sounds import CONSONANTS, VOWEL
from rolevec.errors import MissingExtra
from rolevec.training.letters import letters_of


def classes(word):
    """Classes of the consonants of a word in Latin letters."""
    symbols = {c: number for number, group in enumerate(CONSONANTS, 1) for c in group}
    return [symbols[c] for c in word if c in symbols]


def heard(word):
    """Consonants of a word, from the letters of a vocabulary that has all of them."""
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), *((c, -1.0) for c in set(word))]))
    letters = letters_of(tokenizer)
    codes = dict(zip(map(chr, letters.points), letters.codes.tolist(), strict=True))
    symbols = [codes[c] >> 4 * place & 15 for c in word for place in range(4)]
    return [symbol for symbol in symbols if symbol not in (0, VOWEL)]


@pytest.mark.parametrize(
    ("word", "latin"),
    [
        ("\u039d\u03bf\u03c1\u03bc\u03b1\u03bd\u03b4\u03af\u03b1", "normandia"),
        ("\u041d\u043e\u0440\u043c\u0430\u043d\u0434\u0438\u044f", "normandia"),
        ("\u0646\u0648\u0631\u0645\u0627\u0646\u062f\u064a", "nwrmand"),
        ("\u0928\u0949\u0930\u092e\u0928", "norman"),
        ("\u30d9\u30eb\u30ea\u30f3", "berurin"),
        ("\ubca0\ub97c\ub9b0", "belellin"),
        ("Kaf\u00e9\u0301", "kafe"),
    ],
)
def test_consonants_are_those_of_the_latin_spelling(word, latin):
    assert heard(word) == classes(latin)


def test_only_letters_and_marks_sound():
    pieces = ["<unk>", "\u2581a1", "b-", "\u00e9\u0301", "\u0416"]
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=0))
    letters = letters_of(tokenizer)
    assert [chr(point) for point in letters.points] == [
        "a", "b", "k", "n", "u", "\u00e9", "\u0301", "\u0416",
    ]  # fmt: skip
    assert letters.codes[6] == 0


def test_a_missing_package_is_said_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "anyascii", None)
    tokenizer = Tokenizer(models.Unigram([("a", -1.0)]))
    with pytest.raises(MissingExtra, match="train"):
        letters_of(tokenizer)
