"""The vocabulary that is learned: what it folds, and which words it keeps whole."""

import json

import pytest
from tokenizers import models

from rolevec.training.tokenizer import _with_words, blank_tokenizer, train_tokenizer


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


def test_frequent_words_are_kept_whole():
    pieces = [("<unk>", 0.0), ("▁ab", -1.0), ("c", -2.0), ("▁x", -2.0), ("y", -2.0), ("z", -2.0)]
    lines = ["abc"] * 6 + ["xyzy"] * 3 + ["ab"] * 100 + ["zzz"]
    kept = _with_words(pieces, blank_tokenizer(), lines, len(pieces) + 1)
    assert kept[:-1] == pieces
    assert kept[-1][0] == "▁abc"
    both = _with_words(pieces, blank_tokenizer(), lines, len(pieces) + 9)
    # One that is a piece already, or stands there once, is not among them.
    assert [word for word, _ in both[len(pieces) :]] == ["▁abc", "▁xyzy"]
    assert models.Unigram(both, unk_id=0).tokenize("▁xyzy")[0].value == "▁xyzy"


def test_scores_are_written_short():
    prompts = {"query": "query: ", "document": "document: "}
    made = train_tokenizer(["one two three four five", "two four six"] * 9, 60, prompts)
    scores = [score for _, score in json.loads(made.to_str())["model"]["vocab"]]
    assert all(score == round(score, 4) for score in scores)
    assert len(set(scores)) > 3
