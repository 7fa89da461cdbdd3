"""The torch backend on small random models, against plain computations with transformers."""

import pickle

import numpy as np
import pytest

from rolevec.errors import ModelNotAvailable
from rolevec.roles import Role

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
from rolevec.encoders.torch import TorchEncoder  # noqa: E402

TEXTS = ["fox", "the lazy dog", "the quick brown fox a lazy dog", "a"]
SIZES = {"vocab_size": 15, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
SIZES |= {"intermediate_size": 32, "max_position_embeddings": 32, "pad_token_id": 0}
MODELS = {
    "bert": ("BertConfig", {}),
    "qwen2": ("Qwen2Config", {"num_key_value_heads": 2}),
    "xlm-roberta": ("XLMRobertaConfig", {"pad_token_id": 1}),
}


@pytest.fixture
def save_model(make_folder):
    def save(kind, pooling, **options):
        config_class, more = MODELS[kind]
        torch.manual_seed(5)
        config = getattr(transformers, config_class)(**(SIZES | more))
        model = transformers.AutoModel.from_config(config).eval()
        folder = make_folder(kind, pooling=pooling, graph=False, **options)
        model.save_pretrained(folder)
        return folder, model

    return save


@pytest.mark.parametrize(
    ("kind", "pooling"),
    [
        ("bert", "mean"),
        ("bert", "cls"),
        ("xlm-roberta", "mean"),
        ("qwen2", "lasttoken"),
        ("qwen2", "mean"),
    ],
)
def test_pooling_equals_transformers_one_text_at_a_time(save_model, kind, pooling):
    folder, model = save_model(kind, pooling)
    encoder = TorchEncoder(folder, device="cpu")
    got = encoder.encode_documents(TEXTS)
    for row, ids in zip(got, encoder.token_ids(TEXTS, Role.DOCUMENT), strict=True):
        with torch.inference_mode():
            tokens = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        want = {"mean": tokens.mean(0), "cls": tokens[0], "lasttoken": tokens[-1]}[pooling]
        want = torch.nn.functional.normalize(want, dim=0).numpy()
        assert np.allclose(row, want, atol=1e-5)


def test_the_last_token_equals_padding_on_the_left(save_model):
    folder, model = save_model("qwen2", "lasttoken")
    encoder = TorchEncoder(folder, device="cpu")
    ids = encoder.token_ids(TEXTS, Role.DOCUMENT)
    width = max(map(len, ids))
    padded = torch.tensor([[0] * (width - len(row)) + row for row in ids])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids])
    with torch.inference_mode():
        last = model(input_ids=padded, attention_mask=mask).last_hidden_state[:, -1]
    want = torch.nn.functional.normalize(last, dim=1).numpy()
    assert np.allclose(encoder.encode_documents(TEXTS), want, atol=1e-5)


def test_limits_of_roberta_positions_can_be_reached(save_model):
    folder, _ = save_model("xlm-roberta", "mean")
    encoder = TorchEncoder(folder, device="cpu", truncation="end")
    assert encoder.max_tokens == 30
    report = encoder.encode_with_report(["fox " * 40], Role.DOCUMENT).truncation
    assert report.dropped == (12,)


def test_precision_device_and_pickle(save_model):
    folder, _ = save_model("bert", "mean", prompts={"query": "query: "})
    encoder = TorchEncoder(folder, device="cpu", precision="bfloat16")
    full = pickle.loads(pickle.dumps(TorchEncoder(folder, device="cpu")))
    half = encoder.encode_queries(TEXTS)
    assert half.dtype == np.float32
    assert np.allclose(half, full.encode_queries(TEXTS), atol=encoder.tolerance)
    assert not np.array_equal(half, full.encode_queries(TEXTS))
    assert not full.fingerprint.differences(encoder.fingerprint)
    copy = pickle.loads(pickle.dumps(encoder))
    assert copy.precision == "bfloat16"
    assert np.array_equal(copy.encode_queries(TEXTS), half)
    with pytest.raises(ModelNotAvailable, match="cuda:9"):
        TorchEncoder(folder, device="cuda:9")
    with pytest.raises(ValueError, match="int4"):
        TorchEncoder(folder, precision="int4")


def test_pickled_weights_are_not_read(save_model):
    folder, model = save_model("bert", "mean")
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelNotAvailable, match="pickled"):
        TorchEncoder(folder)
