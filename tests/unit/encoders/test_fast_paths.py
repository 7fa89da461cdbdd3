"""Every fast way of running a transformer against the plain one: one text at a time in float32."""

import pickle
import threading

import numpy as np
import pytest

from rolevec.encoders import transformer
from rolevec.encoders.checks import check_encoder
from rolevec.encoders.loading import load_encoder
from rolevec.encoders.onnx import OnnxEncoder
from rolevec.errors import ModelNotAvailable
from rolevec.roles import Role
from rolevec.truncation import TruncationWarning

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("openvino")
pytest.importorskip("onnxscript")
from rolevec.encoders import openvino  # noqa: E402
from rolevec.encoders.export import export_onnx  # noqa: E402
from rolevec.encoders.openvino import OpenVinoEncoder  # noqa: E402
from rolevec.encoders.torch import TorchEncoder  # noqa: E402

# The shapes of multilingual-e5 and bge-m3, made narrow: many heads, long positions, a padding id 1.
SIZES = {"vocab_size": 15, "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4}
SHAPES = {
    "e5": ("Bert", "mean", {"num_hidden_layers": 3, "max_position_embeddings": 64}),
    "e5-base": ("XLMRoberta", "mean", {"num_hidden_layers": 3, "max_position_embeddings": 66}),
    "bge-m3": ("XLMRoberta", "cls", {"num_hidden_layers": 6, "max_position_embeddings": 130}),
}
pytestmark = pytest.mark.slow
WORDS = ["the", "a", "fox", "dog", "lazy", "quick", "brown", "query", "document", "passage"]
PROMPTS = {"query": "query: ", "document": "passage: "}
BACKENDS = {
    "onnx": (OnnxEncoder, {}),
    "openvino": (OpenVinoEncoder, {"precision": "float32"}),
    "openvino bfloat16": (OpenVinoEncoder, {"precision": "bfloat16"}),
    "torch": (TorchEncoder, {"device": "cpu"}),
}
LEAST = {"openvino bfloat16": 0.999}


def make_texts(count, seed=3, longest=70):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, longest, count)
    return [" ".join(rng.choice(WORDS, size)) for size in sizes]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return {}


@pytest.fixture(params=SHAPES)
def folder(request, made, make_folder, tmp_path_factory):
    """A random model with both its weights and its graph."""
    kind, pooling, more = SHAPES[request.param]
    if request.param not in made:
        torch.manual_seed(5)
        pad = 1 if kind == "XLMRoberta" else 0
        config = getattr(transformers, f"{kind}Config")(**SIZES, **more, pad_token_id=pad)
        model = transformers.AutoModel.from_config(config).eval()
        facts = {"model_type": config.model_type, "hidden_size": 64, "pad_token_id": pad}
        facts["max_position_embeddings"] = config.max_position_embeddings
        place = make_folder(request.param, pooling=pooling, graph=False, config=facts)
        model.save_pretrained(place)
        export_onnx(place)
        made[request.param] = place.rename(tmp_path_factory.mktemp("model") / request.param)
    return made[request.param]


@pytest.fixture
def plain(folder):
    """One text at a time, through torch, in float32."""
    encoder = TorchEncoder(folder, device="cpu", prompts=PROMPTS, truncation="end")

    def encode(texts, role, truncation="end"):
        encoder.truncation = truncation
        return np.concatenate([encoder.encode([text], role) for text in texts])

    return encode


@pytest.mark.parametrize("backend", BACKENDS)
def test_order_values_roles_and_truncation(folder, plain, backend, monkeypatch):
    monkeypatch.setattr(transformer, "_SLICE", 7)
    kind, options = BACKENDS[backend]
    encoder = kind(folder, prompts=PROMPTS, truncation="end", **options)
    encoder._token_budget = 64
    texts = make_texts(40)
    for role in (Role.QUERY, Role.DOCUMENT):
        want = plain(texts, role)
        got = encoder.encode_with_report(texts, role)
        assert np.sum(got.vectors * want, axis=1).min() > LEAST.get(backend, 0.999999)
        lost = [max(0, n - encoder.max_tokens) for n in encoder.count_tokens(texts, role)]
        assert list(got.truncation.dropped) == lost
        assert sum(map(bool, lost)) or encoder.max_tokens > 70
    assert not np.allclose(encoder.encode_queries(texts[:5]), encoder.encode_documents(texts[:5]))
    assert encoder.encode_documents([]).shape == (0, 64)
    assert [check for check in check_encoder(encoder) if not check.passed] == []


@pytest.mark.parametrize("backend", ["onnx", "openvino", "openvino bfloat16"])
def test_texts_that_come_one_by_one(folder, plain, backend):
    kind, options = BACKENDS[backend]
    encoder = kind(folder, prompts=PROMPTS, truncation="end", threads=2, **options)
    texts = make_texts(8)
    together = encoder.encode_documents(texts)
    assert not encoder._graph._alone.is_open
    want = plain(texts, Role.DOCUMENT)
    for text, vector, beside in zip(texts, want, together, strict=True):
        got = encoder.encode_documents([text])[0]
        assert got @ vector > LEAST.get(backend, 0.999999)
        assert np.allclose(got, beside, atol=encoder.tolerance)
    assert encoder._graph._alone.is_open
    assert np.allclose(encoder.encode_documents(texts), together, atol=encoder.tolerance)
    single = kind(folder, prompts=PROMPTS, truncation="end", threads=1, **options)
    for text in texts:
        single.encode_documents([text])
    assert not single._graph._alone.is_open


@pytest.mark.parametrize("backend", BACKENDS)
def test_windows_of_long_texts(folder, plain, backend):
    kind, options = BACKENDS[backend]
    encoder = kind(folder, prompts=PROMPTS, truncation="split", **options)
    texts = [*make_texts(5), "the lazy dog " * 150, *make_texts(3, seed=4)]
    want = plain(texts, Role.DOCUMENT, "split")
    cosines = np.sum(encoder.encode_documents(texts) * want, axis=1)
    assert cosines.min() > LEAST.get(backend, 0.999999)


@pytest.mark.parametrize("batch_size", [1, 3, None])
def test_no_batch_is_larger_than_asked_or_padded_for_nothing(folder, batch_size, monkeypatch):
    monkeypatch.setattr(transformer, "_SLICE", 11)
    encoder = OnnxEncoder(folder, prompts=PROMPTS, truncation="end")
    encoder._token_budget = 96
    seen = []
    forward = encoder._forward
    monkeypatch.setattr(
        encoder, "_forward", lambda b: (seen.append(list(map(len, b))), forward(b))[1]
    )
    texts = make_texts(60)
    encoder.encode(texts, Role.DOCUMENT, batch_size=batch_size)
    assert sum(map(len, seen)) == len(set(texts))
    assert all(len(batch) <= (batch_size or 60) for batch in seen)
    assert all(len(batch) * max(batch) <= max(96, *batch) for batch in seen)
    tokens, places = sum(map(sum, seen)), sum(len(b) * max(b) for b in seen)
    assert places < 1.35 * tokens


@pytest.mark.parametrize("backend", BACKENDS)
def test_calls_from_several_threads_do_not_mix(folder, backend):
    kind, options = BACKENDS[backend]
    encoder = kind(folder, prompts=PROMPTS, truncation="end", **options)
    parts = [make_texts(30, seed=seed) for seed in range(4)]
    want = [encoder.encode_documents(part) for part in parts]
    got = [None] * len(parts)

    def work(n):
        got[n] = encoder.encode_documents(parts[n])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(parts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for ours, alone in zip(got, want, strict=True):
        assert np.allclose(ours, alone, atol=encoder.tolerance)


def test_neither_backend_nor_precision_is_in_the_fingerprint(folder):
    prints = [kind(folder, prompts=PROMPTS, **o).fingerprint for kind, o in BACKENDS.values()]
    assert all(not prints[0].differences(other) for other in prints[1:])


def test_auto_takes_bfloat16_only_where_it_agrees(folder, monkeypatch):
    asked = []
    monkeypatch.setattr(openvino, "computes_bfloat16", lambda: True)

    def cosine(*_):
        asked.append(1)
        return 0.99

    assert OpenVinoEncoder(folder, prompts=PROMPTS).precision == "float32"
    encoder = OpenVinoEncoder(folder, prompts=PROMPTS, precision="auto")
    assert encoder.precision == "bfloat16"
    monkeypatch.setattr(openvino, "lowest_cosine", cosine)
    assert OpenVinoEncoder(folder, prompts=PROMPTS, precision="auto").precision == "float32"
    assert len(asked) == 1
    monkeypatch.setattr(openvino, "computes_bfloat16", lambda: False)
    assert OpenVinoEncoder(folder, prompts=PROMPTS, precision="auto").precision == "float32"
    assert len(asked) == 1
    with pytest.raises(ValueError, match="OpenVINO computes in"):
        OpenVinoEncoder(folder, prompts=PROMPTS, precision="float16")
    with pytest.raises(ValueError, match="CPU"):
        OpenVinoEncoder(folder, prompts=PROMPTS, device="cuda")


def test_without_a_graph_torch_weights_are_converted(folder, plain, monkeypatch):
    aside = (folder / "model.onnx").rename(folder / "aside")
    try:
        encoder = OpenVinoEncoder(folder, prompts=PROMPTS, truncation="end", precision="float32")
        texts = make_texts(20)
        want = plain(texts, Role.QUERY)
        assert np.sum(encoder.encode_queries(texts) * want, axis=1).min() > 0.999999
        copy = pickle.loads(pickle.dumps(encoder))
        assert np.array_equal(copy.encode_queries(texts), encoder.encode_queries(texts))
        monkeypatch.setattr(openvino, "lowest_cosine", lambda *_: 0.5)
        with pytest.raises(ModelNotAvailable, match="other vectors on OpenVINO"):
            OpenVinoEncoder(folder, prompts=PROMPTS)
        chosen = load_encoder(folder, prompts=PROMPTS, device="cpu", max_tokens=20)
        assert isinstance(chosen, TorchEncoder)
    finally:
        aside.rename(folder / "model.onnx")


def test_int8_is_near_and_only_on_request(folder, plain):
    encoder = OnnxEncoder(folder, prompts=PROMPTS, truncation="end", precision="int8")
    texts = make_texts(20)
    cosines = np.sum(encoder.encode_documents(texts) * plain(texts, Role.DOCUMENT), axis=1)
    assert 0.9 < cosines.min() < 0.9999999
    assert pickle.loads(pickle.dumps(encoder)).precision == "int8"
    assert OnnxEncoder(folder, prompts=PROMPTS).precision == "float32"


def test_what_was_cut_is_told_once(folder):
    encoder = OpenVinoEncoder(folder, prompts=PROMPTS)
    with pytest.warns(TruncationWarning) as caught:
        encoder.encode_documents(["fox " * 300, "dog", "lazy " * 300])
    assert len(caught) == 1
