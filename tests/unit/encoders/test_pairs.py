"""Cross-encoders on this machine, against transformers one pair at a time."""

import numpy as np
import pytest
from tokenizers import processors

from rolevec import load_scorer, rerank
from rolevec.encoders import pairs
from rolevec.encoders.protocol import Encoder
from rolevec.encoders.scoring import load_ranker, names_scorer
from rolevec.errors import InputTooLong, InvalidText, ModelNotAvailable, RolevecError, UnknownModel
from rolevec.truncation import TruncationWarning

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("openvino")

QUERY = "quick fox"
TEXTS = ["the lazy dog", "fox", "the quick brown fox a lazy dog", "a dog", "lazy lazy lazy dog"]
SIZES = {"vocab_size": 15, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
SIZES |= {"intermediate_size": 64, "num_labels": 1, "initializer_range": 0.3}
KINDS = {
    "Bert": {"max_position_embeddings": 24, "pad_token_id": 0},
    "XLMRoberta": {"max_position_embeddings": 26, "pad_token_id": 1},
}
BACKENDS = ("openvino", "onnx", "torch")
pytestmark = pytest.mark.slow


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def folder(kind, make_folder, word_tokenizer):
    torch.manual_seed(2)
    config = getattr(transformers, f"{kind}Config")(**SIZES, **KINDS[kind])
    # Asks sentence-transformers for bare logits; ours are of one scale all the same.
    config.sentence_transformers = {"activation_fn": "torch.nn.modules.linear.Identity"}
    model = getattr(transformers, f"{kind}ForSequenceClassification")(config).eval()
    place = make_folder(kind, pooling=None, graph=False)
    model.save_pretrained(place)
    typed = kind == "Bert"
    tokenizer = type(word_tokenizer).from_str(word_tokenizer.to_str())
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair=f"[CLS] $A [SEP] $B:{int(typed)} [SEP]:{int(typed)}",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.save(str(place / "tokenizer.json"))
    _export(model, place / "model.onnx", typed=typed)
    return place


def _export(model, path, *, typed):
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if typed else [])]

    class Scores(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask, token_type_ids=None):
            types = {"token_type_ids": token_type_ids} if typed else {}
            return self.model(input_ids=input_ids, attention_mask=attention_mask, **types).logits

    example = {name: torch.ones(2, 7, dtype=torch.int64) for name in names}
    size = {0: torch.export.Dim("batch"), 1: torch.export.Dim("width")}
    torch.onnx.export(
        Scores().eval(), kwargs=example, f=path, input_names=names, output_names=["logits"],
        dynamic_shapes=dict.fromkeys(names, size), dynamo=True, external_data=False, verbose=False,
    )  # fmt: skip


@pytest.fixture
def plain(folder, kind):
    model = getattr(transformers, f"{kind}ForSequenceClassification").from_pretrained(folder).eval()

    def score(tokenizer, query, text):
        encoding = tokenizer.encode(query, text)
        given = {"input_ids": torch.tensor([encoding.ids])}
        if kind == "Bert":
            given["token_type_ids"] = torch.tensor([encoding.type_ids])
        with torch.inference_mode():
            return float(torch.sigmoid(model(**given).logits[0, 0]))

    return score


@pytest.mark.parametrize("backend", BACKENDS)
def test_scores_equal_transformers_one_pair_at_a_time(folder, plain, backend, monkeypatch):
    monkeypatch.setattr(pairs, "_SLICE", 3)
    with load_scorer(f"{backend}:{folder}", precision="float32", device="cpu") as scorer:
        want = [plain(scorer._tokenizer, QUERY, text) for text in TEXTS]
        assert np.allclose(scorer.score(QUERY, TEXTS), want, atol=1e-4)
        assert scorer.score(QUERY, []) == []
        found = rerank(QUERY, TEXTS, scorer)
        assert [hit.text for hit in found] == [TEXTS[i] for i in np.argsort(want)[::-1]]
        with pytest.raises(InvalidText, match="text 1"):
            scorer.score(QUERY, ["fox", " "])
    with pytest.raises(RolevecError, match="closed"):
        scorer.score(QUERY, TEXTS)


def test_the_folder_alone_takes_what_is_fastest_and_near(folder, plain, monkeypatch):
    scorer = load_scorer(folder, device="cpu")
    want = [plain(scorer._tokenizer, QUERY, text) for text in TEXTS]
    assert np.allclose(scorer.score(QUERY, TEXTS), want, rtol=0.05, atol=0.05)
    monkeypatch.setattr(pairs, "_NEAR", 0)
    assert load_scorer(folder, device="cpu").precision == "float32"
    (folder / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelNotAvailable, match=r"model\.onnx"):
        load_scorer(folder, device="cpu")
    (folder / "model.onnx").unlink()
    converted = load_scorer(f"openvino:{folder}", precision="float32")
    assert np.allclose(converted.score(QUERY, TEXTS), want, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_long_pairs_lose_the_end_of_the_longer_part(folder, plain, backend):
    scorer = load_scorer(f"{backend}:{folder}", precision="float32", device="cpu")
    assert scorer.max_tokens == 24
    long = ["fox " * 40, "dog", "dog " * 30]
    with pytest.warns(TruncationWarning) as caught:
        got = scorer.score(QUERY, long)
    assert len(caught) == 1
    kept = 24 - 2 - 3  # the query and three special tokens
    want = [plain(scorer._tokenizer, QUERY, t) for t in ("fox " * kept, "dog", "dog " * kept)]
    assert np.allclose(got, want, atol=1e-4)
    strict = load_scorer(f"{backend}:{folder}", truncation="error", device="cpu")
    with pytest.raises(InputTooLong):
        strict.score(QUERY, long)


def test_all_scores_lie_between_0_and_1(folder):
    with load_scorer(f"onnx:{folder}", precision="float32") as scorer:
        assert all(0 < score < 1 for score in scorer.score(QUERY, TEXTS))


def test_a_folder_is_taken_for_what_it_is(folder, make_folder):
    assert names_scorer(folder)
    assert names_scorer(f"torch:{folder}")
    with load_ranker(folder, device="cpu") as scorer:
        assert isinstance(scorer, pairs.LocalScorer)
    encoder = make_folder("encoder")
    assert not names_scorer(encoder)
    assert isinstance(load_ranker(encoder, device="cpu"), Encoder)


def test_what_is_no_reranker_is_refused(folder, make_folder):
    with pytest.raises(ModelNotAvailable, match="one score"):
        load_scorer(make_folder("encoder"))
    with pytest.raises(TypeError, match="pooling"):
        load_scorer(folder, pooling="mean")
    with pytest.raises(ValueError, match="split"):
        load_scorer(f"torch:{folder}", truncation="split")
    with pytest.raises(ValueError, match="OpenVINO computes in"):
        load_scorer(f"openvino:{folder}", precision="int8")
    with pytest.raises(UnknownModel):
        load_scorer("no-such-scorer")
