"""Hard negatives from a corpus and from a collection."""

import json

import numpy as np
import pytest

from rolevec import Collection
from rolevec.testing import FakeEncoder
from rolevec.training import (
    HardNegatives,
    mine_hard_negatives,
    read_hard_negatives,
    write_hard_negatives,
)
from rolevec.training import mining as module
from rolevec.training.data import text_key

CITIES = ("Paris", "Rome", "Madrid", "Oslo", "Vienna", "Lisbon")
RIVERS = ("Rhine", "Danube", "Seine", "Po", "Tagus", "Elbe")
CORPUS = [
    *(f"{city} is the capital city of its country" for city in CITIES),
    *(f"The {river} is a long river in Europe" for river in RIVERS),
    "What is the capital city called Paris?",
    "PARIS is the capital city of its country!",
    "Paris is the capital city of its own country",
    "Bread is baked from flour and water",
]
PAIRS = [
    ("What is the capital city called Paris?", CORPUS[0]),
    ("How long is the river Danube?", "The Danube is a long river in Europe"),
]
LOOSE = {"margin": 1.0, "near_duplicate": 1.0}


@pytest.fixture
def encoder():
    return FakeEncoder()


@pytest.fixture
def collection(encoder):
    with Collection.open("c", encoder, store=":memory:") as collection:
        collection.add(CORPUS)
        yield collection


def mine(source, pairs=PAIRS, **options):
    return list(mine_hard_negatives(source, pairs, **options))


def test_negatives_are_like_the_answer_and_not_it(encoder):
    cities, rivers = mine(encoder, corpus=CORPUS, n=3)
    assert (cities.query, cities.positive) == PAIRS[0]
    assert set(cities.negatives) <= set(CORPUS[1:6])
    assert set(rivers.negatives) <= {text for text in CORPUS if "river" in text} - {PAIRS[1][1]}
    assert len(cities.negatives) == len(rivers.negatives) == 3
    assert list(cities.scores) == sorted(cities.scores, reverse=True)
    query, documents = encoder.encode_queries([cities.query]), list(cities.negatives)
    assert np.allclose(encoder.encode_documents(documents) @ query[0], cities.scores, atol=1e-6)


def test_a_collection_and_its_corpus_give_the_same(encoder, collection):
    for options in ({}, LOOSE, {"n": 2, "skip": 2}, {"depth": 4}):
        by_corpus = mine(encoder, corpus=CORPUS, **options)
        by_collection = mine(collection, **options)
        assert [row.negatives for row in by_collection] == [row.negatives for row in by_corpus]
        for ours, theirs in zip(by_collection, by_corpus, strict=True):
            assert np.allclose(ours.scores, theirs.scores, atol=1e-5)


def test_a_collection_of_fewer_dimensions_is_scored_as_it_is_stored(encoder):
    with Collection.open("c", encoder, store=":memory:", dimensions=16) as collection:
        collection.add(CORPUS)
        rows = mine(collection)
        for row in rows:
            hits = {hit.text: hit.score for hit in collection.search(row.query, k=len(CORPUS))}
            for text, score in zip(row.negatives, row.scores, strict=True):
                assert score == pytest.approx(hits[text], abs=1e-5)
            assert max(row.scores) <= 0.95 * hits[row.positive]


def test_spellings_of_query_and_answer_are_left_out(encoder):
    for row in mine(encoder, corpus=CORPUS, n=50, **LOOSE):
        assert not {text_key(row.query), text_key(row.positive)} & set(map(text_key, row.negatives))
    near = "Paris is the capital city of its own country"
    assert near in mine(encoder, corpus=CORPUS, n=50, **LOOSE)[0].negatives
    strict = mine(encoder, corpus=CORPUS, n=50, margin=1.0, near_duplicate=0.9)
    assert near not in strict[0].negatives


def test_what_scores_like_the_answer_is_left_out(encoder):
    all_of_them, fewer = (
        mine(encoder, corpus=CORPUS, n=50, near_duplicate=1.0, margin=margin)[0]
        for margin in (1.0, 0.7)
    )
    own = encoder.encode_documents([PAIRS[0][1]]) @ encoder.encode_queries([PAIRS[0][0]])[0]
    scored = zip(all_of_them.negatives, all_of_them.scores, strict=True)
    expected = [text for text, score in scored if score < 0.7 * own[0]]
    assert list(fewer.negatives) == expected
    assert 0 < len(expected) < len(all_of_them.negatives)


def test_another_answer_to_the_query_is_no_negative(encoder):
    other = mine(encoder, corpus=CORPUS, n=1)[0].negatives[0]
    rows = mine(encoder, [*PAIRS, (PAIRS[0][0].upper(), other)], corpus=CORPUS, n=50)
    assert len(rows) == 3
    assert all(other not in rows[i].negatives for i in (0, 2))
    # Not only within a batch.
    rows = mine(encoder, [*PAIRS, (PAIRS[0][0], other)], corpus=CORPUS, n=50, batch_size=1)
    assert other not in rows[0].negatives


def test_the_first_ranks_can_be_skipped(encoder):
    every = mine(encoder, corpus=CORPUS, n=50, **LOOSE)[1]
    later = mine(encoder, corpus=CORPUS, n=50, skip=6, **LOOSE)[1]
    assert later.negatives == every.negatives[-len(later.negatives) :]
    assert len(every.negatives) - 6 <= len(later.negatives) < len(every.negatives)


def test_a_gap_in_cosine_is_kept(encoder):
    every = mine(encoder, corpus=CORPUS, n=50, **LOOSE)[0]
    own = encoder.encode_documents([PAIRS[0][1]]) @ encoder.encode_queries([PAIRS[0][0]])[0]
    apart = mine(encoder, corpus=CORPUS, n=50, gap=0.2, **LOOSE)[0]
    scored = zip(every.negatives, every.scores, strict=True)
    assert apart.negatives == tuple(text for text, score in scored if score < own[0] - 0.2)
    assert 0 < len(apart.negatives) < len(every.negatives)


def test_a_random_choice_depends_on_the_seed_and_the_pair_alone(encoder):
    every = [set(row.negatives) for row in mine(encoder, corpus=CORPUS, n=50)]
    picked = mine(encoder, corpus=CORPUS, n=2, pick="random")
    assert picked == mine(encoder, corpus=CORPUS, n=2, pick="random", batch_size=1)
    assert picked[1:] == mine(encoder, PAIRS[1:], corpus=CORPUS, n=2, pick="random")
    choices = set()
    for seed in range(12):
        rows = mine(encoder, corpus=CORPUS, n=2, pick="random", seed=seed)
        assert all(set(row.negatives) <= known for row, known in zip(rows, every, strict=True))
        assert list(rows[0].scores) == sorted(rows[0].scores, reverse=True)
        choices.add(rows[0].negatives)
    assert len(choices) > 2


@pytest.mark.parametrize("options", [{}, LOOSE, {"skip": 2}, {"n": 1, "near_duplicate": 0.8}])
def test_the_report_accounts_for_every_hit(encoder, collection, options):
    corpus = [*CORPUS, "paris IS the capital city of its country."]
    for source, given in ((encoder, {"corpus": corpus}), (collection, {})):
        mined = mine_hard_negatives(source, PAIRS, **given, **options)
        rows = list(mined)
        found = mined.report.to_dict()
        assert found["kept"] == sum(len(row.negatives) for row in rows)
        assert found["pairs"] == 2
        assert found["without"] == sum(not row.negatives for row in rows)
        parts = sum(v for k, v in found.items() if k not in ("pairs", "without", "hits"))
        assert parts == found["hits"] == 2 * len(given.get("corpus", CORPUS))
        assert found["known"] or found["skipped_rank"]
        assert f"{found['kept']} kept" in str(mined.report)


def test_batches_and_blocks_change_nothing(encoder, monkeypatch):
    whole = mine(encoder, corpus=CORPUS, n=4)
    monkeypatch.setattr(module, "_BLOCK", 8)
    assert [row.negatives for row in mine(encoder, corpus=CORPUS, n=4, depth=5)] == [
        row.negatives for row in mine(encoder, corpus=CORPUS, n=4, depth=5, batch_size=1)
    ]
    assert mine(encoder, corpus=CORPUS, n=4) == whole


def test_an_empty_corpus_leaves_nothing(encoder):
    assert mine(encoder, corpus=[]) == [HardNegatives(*pair) for pair in PAIRS]
    assert mine(encoder, [], corpus=CORPUS) == []


def test_mistakes_are_said_before_anything_is_done(encoder, collection):
    with pytest.raises(TypeError, match="corpus="):
        mine_hard_negatives(encoder, PAIRS)
    with pytest.raises(TypeError, match="brings its documents"):
        mine_hard_negatives(collection, PAIRS, corpus=CORPUS)
    for wrong in (
        {"n": 0},
        {"skip": 100},
        {"margin": 0},
        {"batch_size": 0},
        {"skip": -1},
        {"gap": -1},
        {"pick": "best"},
    ):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}="):
            mine_hard_negatives(encoder, PAIRS, corpus=CORPUS, **wrong)


def test_progress_is_shown(encoder, capsys):
    mine(encoder, corpus=CORPUS, progress=True)
    assert "mining hard negatives: 2 of 2" in capsys.readouterr().err


def test_a_file_keeps_what_was_mined(encoder, tmp_path):
    rows = mine(encoder, corpus=CORPUS)
    path = tmp_path / "hard.jsonl"
    assert write_hard_negatives(path, rows) == 2
    assert list(read_hard_negatives(path)) == rows
    assert list(json.loads(path.read_text().splitlines()[0])) == [
        "query",
        "positive",
        "negatives",
        "scores",
    ]
    path.write_text('{"query": "q", "positive": "p", "negatives": ["n"]}\n{"query": "q"}\n')
    read = read_hard_negatives(path)
    assert next(read) == HardNegatives("q", "p", ("n",))
    with pytest.raises(ValueError, match=r"hard\.jsonl:2: .*positive"):
        next(read)
    for line in ("[]", '{"query": "q", "positive": "p", "negatives": "n"}', "{"):
        path.write_text(line)
        with pytest.raises(ValueError, match=r"hard\.jsonl:1"):
            list(read_hard_negatives(path))
