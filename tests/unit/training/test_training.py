"""A toy language pair, from tables to a model that finds translations."""

import json
import lzma

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from rolevec import Role
from rolevec.encoders.loading import register_encoder
from rolevec.encoders.static import StaticEncoder
from rolevec.testing import FakeEncoder
from rolevec.training import SoundSettings
from rolevec.training.config import TrainConfig
from rolevec.training.data import language_shares, read_pairs, source_weight, text_key
from rolevec.training.export import export
from rolevec.training.letters import letters_of
from rolevec.training.negatives import false_negatives
from rolevec.training.store import PairStore
from rolevec.training.teacher import Teacher, ask_teacher
from rolevec.training.tokenizer import train_tokenizer

WORDS = {
    "dog": "hund", "cat": "katze", "house": "haus", "tree": "baum", "river": "fluss",
    "bread": "brot", "night": "nacht", "green": "grün", "small": "klein", "sees": "sieht",
    "eats": "frisst", "under": "unter", "near": "nahe", "old": "alt", "red": "rot",
}  # fmt: skip


def sentences(count, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        english = list(rng.choice(list(WORDS), size=5, replace=False))
        yield " ".join(english), " ".join(WORDS[word] for word in english)


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    with lzma.open(folder / "parallel-00.tsv.xz", "wt", encoding="utf-8") as file:
        for english, german in sentences(800):
            file.write(f"{english}\tdeu\t{german}\ttoy\n")
        file.write("gone\tdeu\tweg\tbad/source\n")
    asked = (f"{e}\teng\t{e} {' '.join(WORDS)}\ttoy\n" for e, _ in sentences(90, seed=3))
    (folder / "retrieval.tsv").write_text("".join(asked), encoding="utf-8")
    lines = (f"{english}\tdeu\t{german}\ttoy\n" for english, german in WORDS.items())
    (folder / "lexicon.tsv").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def teacher():
    """What "fake-teacher:" loads; it knows more of spelling than of meaning."""
    register_encoder("fake-teacher", lambda rest, **options: FakeEncoder(dim=24, name="fake"))


def config(data, tmp_path, **changes):
    settings = {
        "cache": tmp_path / "cache",
        "name": "toy",
        "dim": 16,
        "vocab": 120,
        "steps": 60,
        "batch": 64,
        "learning_rate": 0.05,
        "matryoshka": (8,),
        "mix": {"parallel": 0.7, "lexicon": 0.2, "passage": 0.1},
        "held_out": 10,
        "exclude_sources": ("bad",),
        "checkpoint_steps": 20,
    } | changes
    return TrainConfig(data=data, output=tmp_path / "model", **settings)


def test_a_toy_model_learns_to_translate(data, tmp_path):
    from rolevec.training import train

    result = train(config(data, tmp_path, steps=150), progress=False)
    assert result.losses[-1] < result.losses[0] / 2
    assert result.development > 0.8
    encoder = StaticEncoder(result.folder)
    left, right = zip(*sentences(50, seed=1), strict=True)
    scores = encoder.encode(left, Role.DOCUMENT) @ encoder.encode(right, Role.DOCUMENT).T
    assert (scores.argmax(axis=1) == np.arange(50)).mean() > 0.8
    assert encoder.card.matryoshka_dims == (8, 16)
    assert encoder.fingerprint.prompts == {"query": "query: ", "document": "document: "}
    query, document = encoder.encode_queries(["dog"])[0], encoder.encode_documents(["dog"])[0]
    assert not np.allclose(query, document)


@pytest.mark.parametrize(("most", "rows"), [(0, 800), (300, 300), (9999, 800)])
def test_small_trials_take_the_first_rows_of_a_kind(data, tmp_path, most, rows):
    from rolevec.training import corpus

    settings = config(data, tmp_path, max_rows=most, held_out=0)
    tokenizer = train_tokenizer(["dog hund"] * 9, 60, {}, whole_words=0.1)
    stores, _ = corpus.load_stores(settings, tokenizer, progress=False)
    assert stores["parallel"].sources == {"toy": rows}


def test_a_killed_run_goes_on_to_the_same_table(data, tmp_path, monkeypatch):
    from rolevec.training import learner, train

    taught = {"teacher": "fake-teacher:x", "bits": 4, "weight_decay": 0.1, "stems": (1, 2)}
    taught["mix"] = {"parallel": 0.4, "passage": 0.2, "retrieval": 0.2, "cloze": 0.2}
    whole = train(config(data, tmp_path / "whole", **taught), progress=False)
    learn, calls = learner.TableLearner.learn, []

    def dies(self, batch):
        calls.append(1)
        if len(calls) == 33:
            raise KeyboardInterrupt
        learn(self, batch)

    with monkeypatch.context() as patched:
        patched.setattr(learner.TableLearner, "learn", dies)
        with pytest.raises(KeyboardInterrupt):
            train(config(data, tmp_path / "killed", **taught), progress=False)
    resumed = []
    monkeypatch.setattr(
        learner.TableLearner, "learn", lambda s, b: (resumed.append(1), learn(s, b))[1]
    )
    again = train(config(data, tmp_path / "killed", **taught), progress=False)
    assert len(resumed) == 40
    tables = [(r.folder / "model.safetensors").read_bytes() for r in (whole, again)]
    assert tables[0] == tables[1]


def test_the_most_frequent_tokens_have_refined_rows_and_the_least_coarse_ones(data, tmp_path):
    from rolevec.training import train

    result = train(config(data, tmp_path, steps=12, bits=2, refined=7, coarse=9), progress=False)
    tensors = load_file(result.folder / "model.safetensors")
    vocabulary = StaticEncoder(result.folder).tokenizer.get_vocab_size()
    assert tensors["embeddings"].shape == (vocabulary - 9 + 7, 4)
    stores = [PairStore.load(path) for path in (tmp_path / "cache").glob("*.npz")]
    counts = sum(np.bincount(store.flat, minlength=vocabulary) for store in stores)
    others = np.delete(counts, tensors["refined"])
    assert counts[tensors["refined"]].min() >= others.max()
    coarse = np.unpackbits(tensors["coarse"])[:vocabulary].astype(bool)
    assert coarse.sum() == 9
    assert counts[coarse].max() <= counts[~coarse].min()


def test_sounds_stand_behind_the_table_and_are_part_of_the_revision(data, tmp_path):
    from rolevec.training import train

    settings = SoundSettings(0.5, 0.6, full_at=9, dim=12)
    plain, heard = (
        StaticEncoder(train(config(data, tmp_path / n, steps=5, **more), progress=False).folder)
        for n, more in {"plain": {}, "heard": {"sounds": settings}}.items()
    )
    facts = json.loads((heard.folder / "config.json").read_text(encoding="utf-8"))
    assert SoundSettings.of(facts["sounds"]) == settings
    assert heard.dim == plain.dim + 12
    assert heard.card.matryoshka_dims == (*plain.card.matryoshka_dims, heard.dim)
    tables = [load_file(e.folder / "model.safetensors")["embeddings"] for e in (plain, heard)]
    assert np.array_equal(*tables)
    texts = ["katzehund", "kotzahand", "maushaus"]
    parts = heard.encode_queries(texts)[:, plain.dim :]
    parts /= np.linalg.norm(parts, axis=1, keepdims=True)
    assert parts[0] @ parts[1] == pytest.approx(1, abs=1e-6)
    assert parts[0] @ parts[2] < 0.9
    cut = heard.encode(texts, Role.QUERY, dimensions=plain.dim)
    assert np.allclose(cut, plain.encode_queries(texts), atol=1e-6)
    table, letters = np.ones((99, 8), np.float32), letters_of(heard.tokenizer)
    again = export(tmp_path / "more", heard.tokenizer, table, facts, letters=letters)
    assert json.loads((again / "config.json").read_text(encoding="utf-8"))["dim"] == 20


def test_overlap_is_seen_in_training_and_told(data, tmp_path, altered):
    from rolevec.training import train

    plain, ridge = (
        train(config(data, tmp_path / n, steps=12, **more), progress=False).folder
        for n, more in {"plain": {}, "ridge": {"ridge": 0.5}}.items()
    )
    facts = [json.loads((f / "config.json").read_text(encoding="utf-8")) for f in (plain, ridge)]
    assert "ridge" not in facts[0]
    assert facts[1]["ridge"] == 0.5
    tables = [load_file(f / "model.safetensors")["embeddings"] for f in (plain, ridge)]
    assert not np.array_equal(*tables)
    other = altered(ridge, ridge=0.6)
    texts = ["hund katze hund", "hund maus"]
    assert not np.allclose(*(StaticEncoder(f).encode_queries(texts) for f in (ridge, other)))


def test_the_revision_tells_what_vectors_are_made_by(tmp_path):
    tokenizer = train_tokenizer(["a few words"] * 9, 20, {})
    table = np.ones((tokenizer.get_vocab_size(), 8), np.float32)
    sounds = {"query": 1, "document": 1}
    settings = [{}, {"ridge": 1.0}, {"ridge": 2.0}, {"sounds": sounds}, {"name": "x"}]
    folders = [
        export(tmp_path / str(i), tokenizer, table, s, letters=letters_of(tokenizer))
        for i, s in enumerate(settings)
    ]
    with pytest.raises(ValueError, match="no letters"):
        export(tmp_path / "mute", tokenizer, table, {"sounds": sounds})
    told = [json.loads((f / "config.json").read_text(encoding="utf-8")) for f in folders]
    revisions = [facts["revision"] for facts in told]
    assert len(set(revisions)) == 4
    assert revisions[0] == revisions[4]


def test_weight_decay_shrinks_every_row_in_each_step(data, tmp_path, monkeypatch):
    """As where the rows are in truth multiplied, up to a factor that all of them share."""
    from rolevec.training import learner, train

    def rows(folder, **changes):
        changes = {"steps": 12, "checkpoint_steps": 12, "bits": 4} | changes
        train(config(data, tmp_path / folder, **changes), progress=False)
        found = load_file(tmp_path / folder / "cache" / "checkpoint.safetensors")["rows"]
        return found / np.linalg.norm(found)

    decayed, plain, learn = (
        rows("decayed", weight_decay=2.0),
        rows("plain"),
        learner.TableLearner.learn,
    )

    def shrinking(self, batch):
        share = self._step_share()
        learn(self, batch)
        self.rows._own.values *= 1 - 2.0 * self._config.learning_rate * share

    monkeypatch.setattr(learner.TableLearner, "learn", shrinking)
    shrunk = rows("shrunk")
    assert np.abs(decayed - shrunk).max() < 1e-3
    assert np.abs(decayed - plain).max() > 1e-2


def test_rows_of_excluded_sources_and_bad_rows(data):
    assert len(list(read_pairs(data, "parallel"))) == 801
    pairs = list(read_pairs(data, "parallel", ["bad"]))
    assert len(pairs) == 800
    assert (pairs[0].left_lang, pairs[0].right_lang) == ("deu", "eng")
    (data / "retrieval.tsv").write_text("only\tthree\tcolumns\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"retrieval\.tsv:1: 3 columns"):
        list(read_pairs(data, "retrieval"))


def test_no_data_is_said_so(tmp_path):
    from rolevec.training import train

    (tmp_path / "data").mkdir()
    with pytest.raises(ValueError, match="no pairs"):
        train(config(tmp_path / "data", tmp_path), progress=False)


def test_a_recipe_with_a_spelling_mistake_is_refused(tmp_path):
    recipe = tmp_path / "r.toml"
    recipe.write_text("stepz = 3\n")
    with pytest.raises(ValueError, match="stepz"):
        TrainConfig.from_toml(recipe, data=tmp_path, output=tmp_path)
    recipe.write_text("dim = 8\nmatryoshka = [8]\n")
    with pytest.raises(ValueError, match="matryoshka"):
        TrainConfig.from_toml(recipe, data=tmp_path, output=tmp_path)


def test_temperature_flattens_shares():
    shares = language_shares({"big": 1000, "small": 10, "none": 0}, 0.5)
    assert shares == pytest.approx({"big": 10 / 11, "small": 1 / 11})
    assert language_shares({"a": 5, "b": 1}, 0.0) == pytest.approx({"a": 0.5, "b": 0.5})


def test_the_longest_prefix_sets_the_weight():
    weights = {"bible": 0.3, "bible-sword": 0.1}
    assert [source_weight(s, weights) for s in ("bible-x", "bible-sword", "news")] == [0.3, 0.1, 1]


def test_keys_ignore_case_punctuation_and_space():
    assert text_key("Hello, World!") == text_key("hello world")
    assert text_key("!?") != text_key("!!")


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=20))
def test_pairs_that_share_a_side_are_no_negatives(keys):
    left, right = (np.array(side, dtype=np.int64) for side in zip(*keys, strict=True))
    found = set(zip(*(part.tolist() for part in false_negatives(left, right)), strict=True))
    expected = {
        (i, j)
        for i in range(len(keys))
        for j in range(len(keys))
        if i != j and (left[i] == left[j] or right[i] == right[j])
    }
    assert found == expected


def test_texts_that_the_teacher_finds_alike_come_closer(data, tmp_path):
    from rolevec.training import train

    settings = {"steps": 120, "mix": {"parallel": 1.0}, "matryoshka": ()}
    folders = [
        train(config(data, tmp_path / name, **settings, **more), progress=False).folder
        for name, more in (("alone", {}), ("taught", {"teacher": "fake-teacher:x"}))
    ]
    texts = [english for english, _ in sentences(60, seed=2)]
    wanted = FakeEncoder(dim=24, name="fake").encode_documents(texts)
    agreement = []
    for folder in folders:
        ours = StaticEncoder(folder).encode_documents(texts)
        pairs = np.triu_indices(len(texts), 1)
        agreement.append(np.corrcoef((ours @ ours.T)[pairs], (wanted @ wanted.T)[pairs])[0, 1])
    assert agreement[1] > agreement[0] + 0.05
    record = json.loads((folders[1] / "config.json").read_text(encoding="utf-8"))["training"]
    assert record["teacher"] == "fake"
    assert record["sources"] == {"toy": 800}
    assert record["versions"].keys() == {"rolevec", "python", "torch", "tokenizers", "numpy"}
    assert record["peak_memory_mb"] is None or record["peak_memory_mb"] > 50


def test_a_teacher_knows_the_texts_of_its_language(data, tmp_path):
    pairs = list(read_pairs(data, "parallel", ["bad"]))
    asked = ask_teacher("fake-teacher:x", pairs, "eng", 100, 0, progress=False)
    assert asked.vectors.shape == (100, 24)
    keys = np.array([text_key(pair.right) for pair in pairs])
    places, rows = asked.find(np.concatenate([keys, keys]), 1000)
    assert len(places) == 100
    texts = [pairs[place].right for place in places]
    assert np.allclose(rows, FakeEncoder(dim=24).encode_documents(texts), atol=1e-3)
    asked.save(tmp_path / "t.npz")
    assert np.array_equal(Teacher.load(tmp_path / "t.npz").vectors, asked.vectors)
    with pytest.raises(ValueError, match="no text in 'xyz'"):
        ask_teacher("fake-teacher:x", pairs, "xyz", 100, 0, progress=False)


def test_the_recipe_of_the_bundled_model_is_readable(tmp_path):
    from importlib.resources import files

    recipe = files("rolevec.training") / "recipes" / "light.toml"
    read = TrainConfig.from_toml(str(recipe), data=tmp_path, output=tmp_path)
    assert read.name == "embed-light"
    json.dumps(read.to_dict())
