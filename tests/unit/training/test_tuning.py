"""A toy model, tuned on pairs that it does not know, and what it knew before."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from rolevec import Role, load_encoder
from rolevec.encoders.dictionary import key_of
from rolevec.encoders.static import StaticEncoder
from rolevec.encoders.table import TokenTable
from rolevec.training import HardNegatives, TuneConfig, load_recipe, train, write_hard_negatives
from rolevec.training.export import export
from rolevec.training.tokenizer import train_tokenizer
from rolevec.training.tuning_data import Judged, judged, ndcg, read_judged

pytest.importorskip("torch")

THINGS = [f"{a}{b}" for a in ("ba", "do", "ki", "lu", "me") for b in ("fa", "go", "ni", "su", "te")]
NAMES = [
    f"{a}{b}" for a in ("pra", "sko", "tri", "zu", "wre") for b in ("dan", "lok", "mis", "p", "x")
]
ANSWERS = dict(zip(THINGS, NAMES, strict=True))
PROMPTS = {"query": "query: ", "document": "document: "}


def sentences(count, seed=0):
    """A question in one vocabulary, and its answer in the other with a word of the question."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        asked = list(rng.choice(THINGS, size=4, replace=False))
        yield " ".join(asked), " ".join([asked[0], *(ANSWERS[word] for word in asked[1:])])


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Rows drawn at random: a text is near to one with the same words, and no other."""
    folder = tmp_path_factory.mktemp("base")
    tokenizer = train_tokenizer([" ".join([*THINGS, *NAMES, "query: document:"])] * 5, 200, PROMPTS)
    rng = np.random.default_rng(0)
    table = rng.normal(size=(tokenizer.get_vocab_size(), 32)).astype(np.float32)
    query = tokenizer.encode(PROMPTS["query"]).ids[0]
    table[[query, tokenizer.encode(PROMPTS["document"]).ids[0]]] *= 0.1
    settings = {"name": "toy", "max_tokens": 64, "prompts": PROMPTS, "tf_power": 0.5}
    settings |= {"unk_id": tokenizer.token_to_id("<unk>"), "query_id": query}
    settings |= {"matryoshka_dims": [16, 32], "languages": ["eng"]}
    moved = rng.normal(size=(32, 32)).astype(np.float32) * 0.01
    return export(folder, tokenizer, table, settings, query_map=moved)


@pytest.fixture
def pairs(tmp_path):
    rows = list(sentences(160))
    others = [answer for _, answer in sentences(40, seed=5)]
    path = tmp_path / "pairs.jsonl"
    write_hard_negatives(
        path,
        (
            HardNegatives(query, answer, (others[i % 40],) if i % 2 else ())
            for i, (query, answer) in enumerate(rows)
        ),
    )
    return path


def config(base, pairs, tmp_path, **changes):
    settings = {"model": str(base), "epochs": 8, "batch": 32, "learning_rate": 0.1, "held_out": 4}
    return TuneConfig(pairs, tmp_path / "tuned", **(settings | changes))


@pytest.mark.parametrize("changes", [{}, {"hardest": 8, "matryoshka": (16,), "mini_batch": 5}])
def test_held_out_queries_gain(base, pairs, tmp_path, changes):
    result = train(config(base, pairs, tmp_path, **changes), progress=False)
    assert result.metric == "ndcg@10"
    assert result.development > result.before + 0.1
    assert result.losses[-1] < result.losses[0]
    fresh = list(sentences(60, seed=9))
    found = []
    for model in (f"static:{base}", result.model):
        encoder = load_encoder(model)
        queries, documents = (list(side) for side in zip(*fresh, strict=True))
        scores = encoder.encode_queries(queries) @ encoder.encode_documents(documents).T
        found.append(ndcg(scores, [(i,) for i in range(60)]))
    assert found[1] > found[0] + 0.1
    tuned, old = StaticEncoder(result.folder), StaticEncoder(base)
    assert tuned.name == "toy-tuned"
    assert tuned.fingerprint != old.fingerprint
    assert tuned.card.matryoshka_dims == old.card.matryoshka_dims


def test_tuning_sees_vectors_as_they_are_used(base, pairs, tmp_path, altered):
    from rolevec.training import tuning

    ridge = altered(base, ridge=0.3)
    settings = config(ridge, pairs, tmp_path)
    encoder = StaticEncoder(ridge, truncation="end")
    run = tuning._Run.of(settings, encoder, read_judged(pairs))
    every = run._queries.pick(np.arange(len(run._data.queries)))
    seen = run._tuner.vectors(every, queries=True).numpy()
    used = encoder.encode_queries(run._data.queries)
    assert np.allclose(seen, used, atol=1e-5)
    assert not np.allclose(used, StaticEncoder(base).encode_queries(run._data.queries), atol=1e-2)
    result = train(settings, progress=False)
    assert result.development > result.before + 0.1
    assert json.loads((result.folder / "config.json").read_text(encoding="utf-8"))["ridge"] == 0.3


def test_a_dictionary_is_read_with_and_kept(base, tmp_path, altered):
    from rolevec.training import tuning

    spoken = altered(base, name="spoken")
    rare, token = THINGS[0] + NAMES[0], StaticEncoder(base).tokenizer.token_to_id("▁" + THINGS[1])
    tensors = load_file(spoken / "model.safetensors")
    tensors["dictionary_keys"] = np.array([key_of(rare)], np.uint32)
    tensors["dictionary_tokens"] = np.array([[token, 0, 0]], np.uint8)
    save_file(tensors, spoken / "model.safetensors")
    rows = [HardNegatives(f"{rare} {a}", f"{a} {ANSWERS[a]} {rare}") for a in THINGS[2:]]
    path = tmp_path / "rare.jsonl"
    write_hard_negatives(path, rows)
    encoder = StaticEncoder(spoken)
    settings = config(spoken, path, tmp_path, epochs=1)
    run = tuning._Run.of(settings, encoder, read_judged(path))
    for texts, seen in ((run._data.queries, run._queries), (run._data.documents, run._documents)):
        queries = texts is run._data.queries
        found = run._tuner.vectors(seen.pick(np.arange(len(texts))), queries=queries).numpy()
        role = Role.QUERY if queries else Role.DOCUMENT
        assert np.allclose(found, encoder.encode(texts, role), atol=1e-5)
        assert not np.allclose(found, StaticEncoder(base).encode(texts, role), atol=1e-2)
    tuned = load_file(train(settings, progress=False).folder / "model.safetensors")
    for name in "dictionary_keys", "dictionary_tokens":
        assert np.array_equal(tuned[name], tensors[name])


def test_rows_that_no_pair_holds_stay(base, tmp_path):
    rows = [HardNegatives(f"{a} {b}", f"{b} {ANSWERS[a]}") for a in THINGS[:8] for b in THINGS[:8]]
    path = tmp_path / "few.jsonl"
    write_hard_negatives(path, rows)
    result = train(config(base, path, tmp_path), progress=False)
    tokenizer = StaticEncoder(base).tokenizer
    met = {i for r in rows for text in (r.query, r.positive) for i in tokenizer.encode(text).ids}
    met |= {tokenizer.token_to_id("query: "), tokenizer.token_to_id("document: ")}
    every = np.arange(tokenizer.get_vocab_size())
    old, new = (
        TokenTable(f / "model.safetensors").sums(every, every) for f in (base, result.folder)
    )
    moved = np.abs(new - old).max(axis=1) > 0.02
    assert moved.any()
    assert set(np.flatnonzero(moved).tolist()) <= met


def test_small_blocks_give_the_gradient_of_the_whole(base, pairs, tmp_path):
    whole, parts = (
        train(config(base, pairs, tmp_path / name, epochs=2, mini_batch=size), progress=False)
        for name, size in (("whole", 1000), ("parts", 3))
    )
    assert np.allclose(whole.losses, parts.losses, rtol=1e-4)
    texts = [query for query, _ in sentences(20)]
    ours, theirs = (StaticEncoder(r.folder).encode_queries(texts) for r in (whole, parts))
    assert np.allclose(ours, theirs, atol=1e-2)


def test_a_killed_run_goes_on_to_the_same_model(base, pairs, tmp_path, monkeypatch):
    from rolevec.training import tuning

    settings = {"cache": tmp_path / "cache", "patience": 8}
    whole = train(config(base, pairs, tmp_path / "whole", patience=8), progress=False)
    epoch, calls = tuning._Run._epoch, []

    def dies(self, number):
        calls.append(number)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return epoch(self, number)

    with monkeypatch.context() as patched:
        patched.setattr(tuning._Run, "_epoch", dies)
        with pytest.raises(KeyboardInterrupt):
            train(config(base, pairs, tmp_path, **settings), progress=False)
    calls.clear()
    monkeypatch.setattr(
        tuning._Run, "_epoch", lambda self, number: (calls.append(number), epoch(self, number))[1]
    )
    again = train(config(base, pairs, tmp_path, **settings), progress=False)
    assert calls == [3, 4, 5, 6, 7]
    tables = [(r.folder / "model.safetensors").read_bytes() for r in (whole, again)]
    assert tables[0] == tables[1]
    # Of other pairs nothing is taken up.
    calls.clear()
    write_hard_negatives(pairs, [HardNegatives(*row) for row in sentences(50, seed=3)])
    train(config(base, pairs, tmp_path, **settings), progress=False)
    assert calls[0] == 0


def test_what_gains_nothing_leaves_the_model_as_it_was(base, tmp_path):
    """Answers that have nothing to do with their questions cannot be learned for other ones."""
    queries = [query for query, _ in sentences(40)]
    rng = np.random.default_rng(1)
    path = tmp_path / "noise.jsonl"
    # The held-out ones are right by their words; training says otherwise.
    write_hard_negatives(path, (HardNegatives(q, f"{q} {rng.choice(NAMES)}") for q in queries))
    result = train(config(base, path, tmp_path, learning_rate=5.0), progress=False)
    record = json.loads((result.folder / "config.json").read_text(encoding="utf-8"))["training"]
    assert record["blend"] == 0
    assert result.development == pytest.approx(result.before)
    texts = [query for query, _ in sentences(10)]
    ours, theirs = (StaticEncoder(f).encode_queries(texts) for f in (result.folder, base))
    assert np.allclose(ours, theirs, atol=0.02)


def test_no_answer_of_a_held_out_query_is_trained_on():
    rows = [HardNegatives(f"question {i}", f"answer {i // 3}") for i in range(90)]
    data = judged(rows)
    assert (len(data.queries), len(data.documents)) == (90, 30)
    train_on, apart = data.split(5, 0)
    assert len(train_on) + len(apart) == 90
    assert 18 <= len(apart) <= 20
    seen = {answer for query in train_on for answer in data.answers[query]}
    assert not seen & {answer for query in apart for answer in data.answers[query]}
    # One document that answers everything ties all together; then queries stand alone.
    data = judged([*rows, *(HardNegatives(f"question {i}", "everything") for i in range(90))])
    assert len(data.split(5, 0)[1]) == 18


def test_spellings_are_one_text_and_an_answer_is_no_negative():
    data = judged(
        [
            HardNegatives("What?", "This.", ("that", "it")),
            HardNegatives("what", "That!", ("it", "THIS")),
        ]
    )
    assert data == Judged(["What?"], ["This.", "that", "it"], [(0, 1)], [(2,)])


@given(st.lists(st.lists(st.booleans(), min_size=12, max_size=12), min_size=1, max_size=4))
def test_ndcg_is_that_of_the_definition(relevant):
    relevant = [row if any(row) else [True, *row[1:]] for row in relevant]
    scores = np.tile(-np.arange(12, dtype=np.float32), (len(relevant), 1))
    wanted = []
    for row in relevant:
        gains = [1 / np.log2(rank + 2) for rank in range(10)]
        ideal = sum(gains[: min(10, sum(row))])
        wanted.append(sum(g for g, hit in zip(gains, row, strict=False) if hit) / ideal)
    answers = [tuple(i for i, hit in enumerate(row) if hit) for row in relevant]
    assert ndcg(scores, answers) == pytest.approx(np.mean(wanted))


def test_mistakes_are_said(base, tmp_path):
    with pytest.raises(FileNotFoundError, match="no file of pairs"):
        train(config(base, tmp_path, tmp_path), progress=False)
    few = tmp_path / "few.jsonl"
    few.write_text('{"query": "q", "positive": "p"}\n')
    with pytest.raises(ValueError, match="1 different queries are too few"):
        train(config(base, few, tmp_path), progress=False)
    with pytest.raises(ValueError, match="matryoshka"):
        train(config(base, few, tmp_path, matryoshka=(32,)), progress=False)
    for wrong in ({"batch": 1}, {"held_out": 1}, {"anchor": 1.0}, {"bits": 4}, {"hardest": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            config(base, few, tmp_path, **wrong)


def test_a_recipe_names_the_kind(tmp_path):
    recipe = tmp_path / "tune.toml"
    recipe.write_text('kind = "tune"\ndata = "pairs.jsonl"\noutput = "model"\nmatryoshka = [64]\n')
    read = load_recipe(recipe, epochs=3)
    assert isinstance(read, TuneConfig)
    assert (read.data, read.epochs, read.matryoshka) == (tmp_path / "pairs.jsonl", 3, (64,))
