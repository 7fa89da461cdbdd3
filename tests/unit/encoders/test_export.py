"""Graphs that agree with torch, or are not kept."""

import numpy as np
import pytest

from rolevec import Role, load_encoder
from rolevec.encoders import export
from rolevec.encoders.checks import check_encoder
from rolevec.encoders.onnx import OnnxEncoder
from rolevec.errors import MissingExtra, ModelNotAvailable

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("onnxscript")

TEXTS = ["fox", "the lazy dog", "the quick brown fox a lazy dog", "a"]
SIZES = {"vocab_size": 15, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
SIZES |= {"intermediate_size": 32, "max_position_embeddings": 32, "pad_token_id": 0}


@pytest.fixture
def save_model(make_folder):
    def save(kind="Bert", pooling="mean", **more):
        torch.manual_seed(5)
        config = getattr(transformers, f"{kind}Config")(**(SIZES | more))
        folder = make_folder(kind, pooling=pooling, graph=False)
        transformers.AutoModel.from_config(config).eval().save_pretrained(folder)
        return folder

    return save


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "pooling", "more"),
    [
        ("Bert", "cls", {}),
        ("XLMRoberta", "mean", {"pad_token_id": 1}),
        ("Qwen2", "lasttoken", {"num_key_value_heads": 2}),
    ],
)
def test_the_graph_gives_what_torch_gives(save_model, kind, pooling, more):
    folder = save_model(kind, pooling, **more)
    before = load_encoder(f"torch:{folder}", device="cpu")
    assert export.export_onnx(folder) == folder / "model.onnx"
    encoder = load_encoder(f"onnx:{folder}")
    assert isinstance(encoder, OnnxEncoder)
    assert encoder.fingerprint == before.fingerprint
    assert np.allclose(
        encoder.encode(TEXTS, Role.QUERY), before.encode(TEXTS, Role.QUERY), atol=1e-5
    )
    assert [check for check in check_encoder(encoder) if not check.passed] == []


@pytest.mark.slow
def test_a_graph_that_disagrees_is_not_kept(save_model, monkeypatch):
    folder = save_model(pooling=None)
    (folder / "model.onnx").write_bytes(b"an earlier one")
    monkeypatch.setattr(export, "_AGREEMENT", 1.1)
    with pytest.raises(ModelNotAvailable, match="other vectors than torch"):
        export.export_onnx(folder)
    assert (folder / "model.onnx").read_bytes() == b"an earlier one"
    assert not (folder / "part.onnx").exists()


def test_a_missing_package_is_said_with_its_extra(save_model, monkeypatch):
    def missing(*args, **kwargs):
        raise ModuleNotFoundError("No module named 'onnxscript'", name="onnxscript")

    monkeypatch.setattr(torch.onnx, "export", missing)
    with pytest.raises(MissingExtra, match=r"onnxscript is not installed.*rolevec\[train\]"):
        export.export_onnx(save_model())
