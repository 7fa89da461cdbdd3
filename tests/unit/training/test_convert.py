"""Folders of other static libraries, and what those libraries make of them."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from rolevec import Role, load_encoder
from rolevec.encoders.checks import check_encoder
from rolevec.errors import InvalidText, ModelNotAvailable
from rolevec.training import convert_static

WORDS = [
    *("[UNK]", "the", "quick", "brown", "fox", "jumps", "over", "lazy", "dog"),
    *("fuchs", "hund", "query", "document", ":", "?", ".", "ok"),
]
TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "fuchs hund",
    "dog dog dog, unheard of: the fox",
    "Nothing here is Quick?",
    "the lazy dog " * 20,
]
DIM = 16


@pytest.fixture(scope="module")
def tokenizer():
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


@pytest.fixture(scope="module")
def table():
    return np.random.default_rng(0).normal(size=(len(WORDS), DIM)).astype(np.float32)


@pytest.fixture
def model2vec_folder(tmp_path, tokenizer, table):
    """Written by hand, so that the test stands without model2vec; it reads the folder below."""

    def make(config=None, **tensors):
        folder = tmp_path / "m2v"
        folder.mkdir(exist_ok=True)
        tokenizer.save(str(folder / "tokenizer.json"))
        save_file({"embeddings": table} | tensors, folder / "model.safetensors")
        about = {"model_type": "model2vec", "normalize": True} | (config or {})
        (folder / "config.json").write_text(json.dumps(about))
        modules = [{"idx": 0, "path": ".", "type": "sentence_transformers.models.StaticEmbedding"}]
        (folder / "modules.json").write_text(json.dumps(modules))
        return folder

    return make


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def lowest_cosine(folder, expected, texts=TEXTS):
    encoder = load_encoder(f"static:{folder}", truncation="end")
    return float((encoder.encode_documents(texts) * unit(expected)).sum(axis=1).min())


def by_hand(tokenizer, rows, texts=TEXTS, unknown=0):
    bags = (tokenizer.encode(text, add_special_tokens=False).ids for text in texts)
    return np.stack([rows[[i for i in ids if i != unknown]].mean(axis=0) for ids in bags])


QUANTISED = {
    "embeddings": np.random.default_rng(1).integers(-127, 128, (5, DIM)).astype(np.int8),
    "mapping": np.arange(len(WORDS)) % 5,
    "weights": np.linspace(0.1, 2, len(WORDS)),
}


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("tensors", [{}, QUANTISED], ids=["plain", "quantised"])
def test_a_model2vec_folder_points_where_it_did(
    model2vec_folder, tokenizer, tmp_path, bits, tensors, table
):
    source = model2vec_folder(**tensors)
    rows = table
    if tensors:
        rows = tensors["embeddings"][tensors["mapping"]] * tensors["weights"][:, None]
    result = convert_static(source, tmp_path / "out", bits=bits, name="mine")
    assert lowest_cosine(result, by_hand(tokenizer, rows)) > 0.9999
    encoder = load_encoder(result)
    assert (encoder.name, encoder.max_tokens) == ("mine", 512)
    # Five rows are too few to tell the texts of the check apart.
    failed = [check for check in check_encoder(encoder) if not check.passed]
    assert [check.name for check in failed] == (["order"] if tensors else []), failed


@pytest.mark.parametrize("tensors", [{}, QUANTISED], ids=["plain", "quantised"])
def test_model2vec_agrees(model2vec_folder, tmp_path, tensors):
    model2vec = pytest.importorskip("model2vec")
    source = model2vec_folder(**tensors)
    expected = model2vec.StaticModel.from_pretrained(source, force_download=False).encode(TEXTS)
    assert lowest_cosine(convert_static(source, tmp_path / "out"), expected) > 0.999


def test_a_limit_is_kept_and_reported(model2vec_folder, tmp_path):
    folder = convert_static(model2vec_folder({"max_length": 4}), tmp_path / "out")
    report = load_encoder(folder, truncation="end").encode_with_report(TEXTS[:2], Role.DOCUMENT)
    assert report.truncation.dropped == (5, 0)
    unlimited = model2vec_folder({"max_length": None})
    assert load_encoder(convert_static(unlimited, tmp_path / "out")).max_tokens is None


def test_sentence_transformers_agrees(tmp_path, tokenizer, table):
    pytest.importorskip("sentence_transformers")
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

    part = StaticEmbedding(Tokenizer.from_str(tokenizer.to_str()), embedding_weights=table)
    prompts = {"query": "query: ", "document": "document: "}
    model = SentenceTransformer(modules=[part, Normalize()], prompts=prompts, device="cpu")
    part.tokenizer.enable_truncation(10)
    model.save(str(tmp_path / "st"))
    encoder = load_encoder(convert_static(tmp_path / "st", tmp_path / "out"), truncation="end")
    assert (encoder.name, encoder.max_tokens) == ("st", 10)
    texts = [*TEXTS[:4], "unheard of"]
    for role in ("query", "document"):
        expected = model.encode(texts, prompt_name=role)
        assert (encoder.encode(texts, role) * expected).sum(axis=1).min() > 0.999


def test_a_text_of_unknown_words_still_has_a_vector(model2vec_folder, tmp_path, table):
    rows = table.copy()
    rows[0] = 0
    encoder = load_encoder(convert_static(model2vec_folder(embeddings=rows), tmp_path / "out"))
    vectors = encoder.encode_documents(["unheard of", "\u200d"])
    assert np.allclose(vectors, unit(rows[None].mean(axis=1)), atol=0.02)


def test_a_text_without_tokens_is_said_so(tmp_path, table):
    alphabet = {c: i for i, c in enumerate("abc")}
    folder = tmp_path / "bpe"
    folder.mkdir()
    Tokenizer(models.BPE(alphabet, [])).save(str(folder / "tokenizer.json"))
    save_file({"embeddings": table[:3]}, folder / "model.safetensors")
    (folder / "config.json").write_text('{"model_type": "model2vec"}')
    encoder = load_encoder(convert_static(folder, tmp_path / "out"))
    assert encoder.encode_documents(["abc"]).shape == (1, DIM)
    with pytest.raises(InvalidText, match="bpe"):
        encoder.encode_documents(["abc", "xyz"])


def test_what_is_no_static_model_is_refused(model2vec_folder, tmp_path, table, tokenizer):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelNotAvailable, match="neither"):
        convert_static(empty, tmp_path / "out")
    source = model2vec_folder(embeddings=table[:3])
    with pytest.raises(ModelNotAvailable, match="3 rows for 17 tokens"):
        convert_static(source, tmp_path / "out")
    save_file({"other": table}, source / "model.safetensors")
    with pytest.raises(ModelNotAvailable, match="holds other; expected embeddings"):
        convert_static(source, tmp_path / "out")
    (source / "model.safetensors").write_bytes(b"no")
    with pytest.raises(ModelNotAvailable, match="cannot read the table"):
        convert_static(source, tmp_path / "out")
    (source / "config.json").unlink()
    kinds = [{"type": "sentence_transformers.models.StaticEmbedding", "path": ""}]
    kinds.append({"type": "sentence_transformers.models.Dense", "path": "1_Dense"})
    (source / "modules.json").write_text(json.dumps(kinds))
    with pytest.raises(ModelNotAvailable, match="chains StaticEmbedding, Dense"):
        convert_static(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_weight_too_large_for_float16(model2vec_folder, tmp_path, table):
    source = model2vec_folder(embeddings=table * 1e5)
    with pytest.raises(ValueError, match="bits=8"):
        convert_static(source, tmp_path / "out", bits=16)
