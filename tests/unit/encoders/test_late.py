"""Late interaction against MaxSim written out, over every backend."""

import numpy as np
import pytest

from rolevec import Role, load_encoder, load_scorer, rerank_many
from rolevec.encoders import late
from rolevec.errors import InputTooLong, InvalidText, ModelNotAvailable, RolevecError
from rolevec.truncation import TruncationWarning

QUERY = "quick fox"
TEXTS = ["the lazy dog", "fox", "the quick brown fox", "a dog"]
PROMPTS = {"query": "query: ", "document": "passage: "}


def maxsim(query, text):
    """ColBERT's sum of maxima as a mean, weighted by length; arrays (tokens, dim)."""
    total, weight = 0.0, 0.0
    for row in query:
        length = np.linalg.norm(row)
        cosines = [row @ other / length / np.linalg.norm(other) for other in text]
        total, weight = total + length * max(cosines), weight + length
    return (1 + total / weight) / 2


@pytest.fixture
def rows_of(word_tokenizer, token_table):
    """The vectors that the graphs give for the words of a text, without what stands around it."""
    return lambda text: token_table[word_tokenizer.encode(text, add_special_tokens=False).ids]


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_it_is_maxsim_over_the_tokens_of_the_texts_alone(backend, make_folder, rows_of):
    folder = make_folder("tiny", prompts=PROMPTS)
    with load_scorer(f"late:{backend}:{folder}", whole=0, precision="float32") as scorer:
        assert scorer.name == "late:tiny"
        expected = [maxsim(rows_of(QUERY), rows_of(text)) for text in TEXTS]
        assert scorer.score(QUERY, TEXTS) == pytest.approx(expected, abs=1e-5)
        assert scorer.score(QUERY, []) == []
    with pytest.raises(RolevecError, match="closed"):
        scorer.score(QUERY, TEXTS)


def test_the_cosine_of_the_whole_texts_has_its_share(static_folder):
    encoder = load_encoder(static_folder, truncation="end")
    cosines = encoder.encode_documents(TEXTS) @ encoder.encode_queries([QUERY])[0]
    cut = {"truncation": "end"}
    with load_scorer(f"late:{static_folder}", whole=1, **cut) as scorer:
        assert scorer.score(QUERY, TEXTS) == pytest.approx((1 + cosines) / 2, abs=1e-6)
    with load_scorer(f"late:{static_folder}", whole=0, **cut) as scorer:
        tokens = np.array(scorer.score(QUERY, TEXTS))
    with load_scorer(f"late:{static_folder}", **cut) as scorer:
        half = scorer.score(QUERY, TEXTS)
    assert half == pytest.approx((tokens + (1 + cosines) / 2) / 2, abs=1e-6)
    with pytest.raises(ValueError, match="whole=2"):
        load_scorer(f"late:{static_folder}", whole=2)


def test_torch_gives_the_vectors_of_its_model(make_folder, word_tokenizer):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(3)
    size = {"vocab_size": 15, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BertConfig(**size, intermediate_size=32, max_position_embeddings=16)
    model = transformers.BertModel(config).eval()
    folder = make_folder("bert", graph=False, prompts=PROMPTS)
    model.save_pretrained(folder)
    encoder = load_encoder(f"torch:{folder}", device="cpu", precision="float32")
    found = encoder.token_rows(TEXTS, Role.DOCUMENT)
    assert found.dropped == [0] * len(TEXTS)
    for text, rows in zip(TEXTS, found.rows, strict=True):
        ids = torch.tensor([word_tokenizer.encode(f"passage: {text}").ids])
        with torch.inference_mode():
            whole = model(input_ids=ids).last_hidden_state[0].numpy()
        # [CLS] passage : … [SEP]
        np.testing.assert_allclose(rows, whole[3:-1], atol=1e-5)


def test_the_mean_of_a_static_models_tokens_points_where_its_vector_does(static_folder):
    encoder = load_encoder(static_folder, prompts={"query": "", "document": ""})
    texts = ["lazy fox", "lazy dog"]
    vectors = encoder.encode_documents(texts)
    for vector, rows in zip(vectors, encoder.token_rows(texts, Role.DOCUMENT).rows, strict=True):
        mean = rows.mean(axis=0)
        np.testing.assert_allclose(mean / np.linalg.norm(mean), vector, atol=1e-6)


def test_the_bundled_model_finds_an_answer_in_another_language():
    with load_scorer("late:light") as scorer:
        texts = ["The train leaves at nine.", "Cats sleep most of the day."]
        train, cats = scorer.score("Wann fährt der Zug ab?", texts)
        assert 0 <= cats < train <= 1
        same = scorer.score(texts[0], texts)
        assert same[0] == max(same)


def test_many_queries_give_what_single_ones_do(make_folder, monkeypatch):
    monkeypatch.setattr(late, "_KEPT_BYTES", 100)
    monkeypatch.setattr(late, "_TEXTS_AT_A_TIME", 2)
    queries, lists = [QUERY, "dog", "a"], [TEXTS, [], TEXTS[:0:-1]]
    with load_scorer(f"late:onnx:{make_folder('tiny')}") as scorer:
        singles = [scorer.score(query, texts) for query, texts in zip(queries, lists, strict=True)]
        many = scorer.score_many(queries, lists)
        for one, other in zip(many, singles, strict=True):
            assert one == pytest.approx(other, abs=1e-6)
        ranked = rerank_many(queries, lists, scorer, k=2)
        assert [len(hits) for hits in ranked] == [2, 0, 2]
        assert ranked[0][0].score == pytest.approx(max(singles[0]), abs=1e-6)


def test_texts_over_the_limit(make_folder):
    folder = make_folder("tiny")  # takes 16 tokens
    long = "dog " * 20 + "fox"
    with load_scorer(f"late:onnx:{folder}") as scorer, pytest.warns(TruncationWarning):
        assert scorer.score("fox", [long])[0] < 1
    with load_scorer(f"late:onnx:{folder}", truncation="split", whole=0) as scorer:
        assert scorer.score("fox", [long])[0] == pytest.approx(1)
    with (
        load_scorer(f"late:onnx:{folder}", truncation="error") as scorer,
        pytest.raises(InputTooLong),
    ):
        scorer.score("fox", [long])


def test_what_has_no_tokens(make_folder, save_graph, tmp_path, static_folder):
    folder = make_folder("whole", graph=False)
    save_graph(folder / "model.onnx", output="sentence_embedding")
    with (
        load_scorer(f"late:onnx:{folder}") as scorer,
        pytest.raises(ModelNotAvailable, match="no vectors of tokens"),
    ):
        scorer.score(QUERY, TEXTS)
    with pytest.raises(ModelNotAvailable, match="without a cache"):
        load_scorer(f"late:{static_folder}", cache=tmp_path / "cache")
    with load_scorer(f"late:{static_folder}") as scorer, pytest.raises(InvalidText):
        scorer.score(QUERY, ["fox", " "])
