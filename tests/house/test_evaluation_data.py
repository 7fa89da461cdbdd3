"""The paraphrase triples are whole, and the overlap of their letters does not decide them."""

import json
from collections import Counter
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "data" / "paraphrases.jsonl"
LANGUAGES = ["ar", "de", "en", "es", "fr", "hi", "ru", "sw", "tr", "zh"]
KINDS = {"everyday", "news", "science", "commerce", "travel", "health"}
FIELDS = ["language", "kind", "anchor", "paraphrase", "near_miss"]
TEXTS = ["anchor", "paraphrase", "near_miss"]


def trigrams(text: str) -> set[str]:
    text = text.lower()
    return {text[start : start + 3] for start in range(len(text) - 2)}


def jaccard(one: str, other: str) -> float:
    ours, theirs = trigrams(one), trigrams(other)
    return len(ours & theirs) / len(ours | theirs)


def won(row: dict[str, str]) -> float:
    """1 where the paraphrase shares more of the anchor's trigrams, 0.5 where both share as many."""
    paraphrase = jaccard(row["anchor"], row["paraphrase"])
    near_miss = jaccard(row["anchor"], row["near_miss"])
    return 0.5 if paraphrase == near_miss else float(paraphrase > near_miss)


def baseline(rows: list[dict[str, str]]) -> float:
    return sum(won(row) for row in rows) / len(rows)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def test_there_are_enough_triples_of_each_language(rows):
    counts = Counter(row["language"] for row in rows)
    assert sorted(counts) == LANGUAGES
    assert min(counts.values()) >= 20
    assert counts.total() >= 200


def test_every_field_is_filled(rows):
    for row in rows:
        assert list(row) == FIELDS
        assert row["kind"] in KINDS
        for name in TEXTS:
            assert row[name]
            assert row[name] == row[name].strip()


def test_the_three_texts_of_a_triple_differ(rows):
    for row in rows:
        assert len({row[name].casefold() for name in TEXTS}) == len(TEXTS), row


def test_no_text_comes_twice(rows):
    counts = Counter(row[name].casefold() for row in rows for name in TEXTS)
    assert [text for text, count in counts.items() if count > 1] == []


def test_shared_trigrams_do_not_decide_the_whole(rows):
    assert 0.40 <= baseline(rows) <= 0.60


@pytest.mark.parametrize("language", LANGUAGES)
def test_shared_trigrams_do_not_decide_a_language(rows, language):
    assert 0.3 <= baseline([row for row in rows if row["language"] == language]) <= 0.7
