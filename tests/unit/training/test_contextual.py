"""The recipe of the small transformer, with two small layers."""

from importlib.resources import files

import numpy as np
import pytest

from rolevec import Role, load_encoder
from rolevec.encoders.checks import check_encoder
from rolevec.encoders.graph import GraphEncoder
from rolevec.training import Architecture, load_recipe, train

pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")
pytest.importorskip("onnxscript")

WORDS = {
    "dog": "собака", "cat": "кошка", "house": "дом", "tree": "дерево", "river": "река",
    "bread": "хлеб", "night": "ночь", "green": "зелёный", "small": "малый", "sees": "видит",
}  # fmt: skip
TOY = Architecture(
    layers=2, hidden=32, heads=2, intermediate=64, global_every=2, window=8, vocab=300
)


def sentences(count, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        english = list(rng.choice(list(WORDS), size=3, replace=False))
        yield " ".join(english), " ".join(WORDS[word] for word in english)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contextual")
    data = folder / "data"
    data.mkdir()
    rows = [f"{russian}\trus\t{english}\ttoy\n" for english, russian in sentences(300)]
    (data / "retrieval.tsv").write_text("".join(rows), encoding="utf-8")
    rows = [f"{english}\trus\t{russian}\ttoy\n" for english, russian in sentences(100, seed=1)]
    (data / "parallel.tsv").write_text("".join(rows), encoding="utf-8")
    changes = {
        "architecture": TOY,
        "max_tokens": 48,
        "steps": 60,
        "batch": 32,
        "mini_batch": 16,
        "learning_rate": 3e-3,
        "matryoshka": (16,),
        "held_out": 8,
    }
    recipe = files("rolevec.training") / "recipes" / "contextual.toml"
    folders = {"data": data, "output": folder / "small", "cache": folder / "cache"}
    return load_recipe(str(recipe), **folders, **changes)


@pytest.fixture(scope="module")
def result(config):
    return train(config, progress=False)


@pytest.mark.slow
def test_a_transformer_from_nothing_learns_to_find(config, result):
    assert result.losses[-1] < result.losses[0] / 2
    assert result.development > 0.5
    encoder = load_encoder(result.model)
    assert isinstance(encoder, GraphEncoder)
    assert (encoder.dim, encoder.max_tokens) == (32, 48)
    assert encoder.fingerprint.prompts == {"query": "query: ", "document": "document: "}
    assert [check for check in check_encoder(encoder) if not check.passed] == []
    tokens = encoder.tokenizer.encode("query: Dog").tokens
    assert tokens == ["<s>", "query: ", "▁dog", "</s>"]
    left, right = zip(*sentences(50, seed=9), strict=True)
    scores = encoder.encode_queries(right) @ encoder.encode_documents(left).T
    assert (scores.argmax(axis=1) == np.arange(50)).mean() > 0.5


@pytest.mark.slow
def test_onnx_torch_and_sentence_transformers_agree(result):
    from sentence_transformers import SentenceTransformer

    texts = [*WORDS, *WORDS.values(), *(" ".join(WORDS) for _ in range(3)), "Dog, unknown: ж!"]
    reference = SentenceTransformer(str(result.folder), device="cpu", local_files_only=True)
    encoders = [load_encoder(f"{b}:{result.folder}", truncation="end") for b in ("onnx", "torch")]
    assert encoders[0].fingerprint == encoders[1].fingerprint
    for role in (Role.QUERY, Role.DOCUMENT):
        expected = reference.encode(texts, prompt_name=role.value, normalize_embeddings=True)
        for encoder in encoders:
            assert (encoder.encode(texts, role) * expected).sum(axis=1).min() > 0.9999


@pytest.mark.slow
def test_the_vocabulary_is_learned_once(config, result, monkeypatch):
    from rolevec.training import contextual

    monkeypatch.setattr(contextual, "load_tokenizer", None)
    prompts = {"query": "query: ", "document": "document: "}
    (made,) = config.cache.glob("untrained-*")
    assert contextual.untrained(config, prompts, config.cache, progress=False) == made
