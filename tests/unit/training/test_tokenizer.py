"""The vocabulary that is learned: what it folds, and which words it keeps whole."""

import json
from collections import Counter

import pytest
from tokenizers import models

from rolevec.training.tokenizer import (
    LineSampler,
    _with_words,
    blank_tokenizer,
    train_tokenizer,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ο Άνθρωπος ΤΗΣ ΟΔΟΥ", "ο ανθρωπος της οδού"),
        ("الأُسْرَةُ إلى", "الاسرة الي"),
        ("שָׁלוֹם", "שלום"),
        ("ёлка", "елка"),
    ],
)
def test_spellings_of_one_word_are_one_word(one, other):
    normalizer = blank_tokenizer().normalizer
    assert normalizer.normalize_str(one) == normalizer.normalize_str(other)


@pytest.mark.parametrize(("temperature", "large", "small"), [(1.0, 80, 20), (0.5, 67, 33)])
def test_languages_share_the_lines_by_temperature(temperature, large, small):
    texts = [("fra", f"f{i}", "a") for i in range(800)] + [
        ("oci", f"o{i}", "a") for i in range(200)
    ]
    lines = LineSampler(texts, {}, seed=0).lines(100, temperature)
    assert Counter(line[0] for line in lines) == {"f": large, "o": small}
    assert len(set(lines)) == 100


def test_a_source_gives_as_many_lines_as_its_weight_lets_through():
    texts = [("fra", f"{source}{i}", source) for i in range(2000) for source in ("much", "little")]
    lines = LineSampler(texts, {"little": 0.25}, seed=0).lines(2000, 1.0)
    share = sum(line.startswith("little") for line in lines) / len(lines)
    assert 0.15 < share < 0.25


def test_frequent_words_are_kept_whole():
    pieces = [("<unk>", 0.0), ("▁ab", -1.0), ("c", -2.0), ("▁x", -2.0), ("y", -2.0), ("z", -2.0)]
    lines = ["abc"] * 6 + ["xyzy"] * 2 + ["ab"] * 100 + ["zzz"]
    kept = _with_words(pieces, blank_tokenizer(), lines, len(pieces) + 1)
    assert kept[:-1] == pieces
    assert kept[-1][0] == "▁abc"
    both = _with_words(pieces, blank_tokenizer(), lines, len(pieces) + 9)
    # One that is a piece already, or stands there once, is not among them.
    assert [word for word, _ in both[len(pieces) :]] == ["▁abc", "▁xyzy"]
    assert models.Unigram(both, unk_id=0).tokenize("▁xyzy")[0].value == "▁xyzy"


def test_words_are_kept_for_the_pieces_they_are_cut_into():
    pieces = [("<unk>", 0.0), ("▁a", -1.0), ("b", -2.0), ("▁x", -2.0), ("y", -2.0), ("z", -2.0)]
    lines = ["ab"] * 5 + ["xyzyzy"] * 3
    kept = _with_words(pieces, blank_tokenizer(), lines, len(pieces) + 1)
    # 3 log 6 > 5 log 2.
    assert kept[-1][0] == "▁xyzyzy"


def test_whole_words_may_come_from_other_lines():
    prompts = {"query": "query: ", "document": "document: "}
    lines = ["one two three four five", "two four six"] * 9
    made = train_tokenizer(lines, 60, prompts, word_lines=["zwanzig neun"] * 5)
    assert [t for t in made.get_vocab() if "zwanzig" in t or "neun" in t]


def test_scores_are_written_short():
    prompts = {"query": "query: ", "document": "document: "}
    made = train_tokenizer(["one two three four five", "two four six"] * 9, 60, prompts)
    scores = [score for _, score in json.loads(made.to_str())["model"]["vocab"]]
    assert all(score == round(score, 4) for score in scores)
    assert len(set(scores)) > 3


def test_too_small_a_vocabulary_says_so():
    with pytest.raises(ValueError, match="leave 6 pieces, and the texts have more"):
        train_tokenizer(["abcdefghijklmnopqrstuvwxyz"] * 3, 12, {})
