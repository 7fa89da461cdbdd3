"""The ONNX backend on graphs whose answer is known by arithmetic."""

import pickle

import numpy as np
import pytest
from onnx import TensorProto

from rolevec.encoders.onnx import OnnxEncoder
from rolevec.errors import ModelNotAvailable, RolevecError
from rolevec.roles import Role

TEXTS = ["fox", "the lazy dog", "the quick brown fox a lazy dog"]


def expected(encoder, table, texts, pooling, role=Role.DOCUMENT):
    rows = []
    for ids in encoder.token_ids(texts, role):
        tokens = table[ids].astype(np.float64)
        row = {"mean": tokens.mean(axis=0), "cls": tokens[0], "lasttoken": tokens[-1]}[pooling]
        rows.append(row / np.linalg.norm(row))
    return np.array(rows)


@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
def test_pooling_sees_no_padding(make_folder, token_table, pooling):
    encoder = OnnxEncoder(make_folder(pooling=pooling))
    want = expected(encoder, token_table, TEXTS, pooling)
    assert np.allclose(encoder.encode_documents(TEXTS), want, atol=1e-6)
    assert np.allclose(encoder.encode_documents(TEXTS[1:2]), want[1:2], atol=1e-6)


def test_the_prompt_reaches_the_model(make_folder, token_table):
    encoder = OnnxEncoder(make_folder(prompts={"query": "query: ", "document": "passage: "}))
    assert encoder.token_ids(["fox"], Role.QUERY) != encoder.token_ids(["fox"], Role.DOCUMENT)
    for role in (Role.QUERY, Role.DOCUMENT):
        want = expected(encoder, token_table, TEXTS, "mean", role)
        assert np.allclose(encoder.encode(TEXTS, role), want, atol=1e-6)
    assert encoder.count_tokens(["lazy dog"], Role.QUERY) == [6]


@pytest.mark.parametrize(
    ("inputs", "ints"),
    [
        (["input_ids"], TensorProto.INT64),
        (["input_ids", "attention_mask", "token_type_ids"], TensorProto.INT64),
        (["input_ids", "attention_mask", "position_ids"], TensorProto.INT64),
        (["input_ids", "attention_mask"], TensorProto.INT32),
    ],
)
def test_a_graph_gets_the_inputs_it_has(make_folder, save_graph, token_table, inputs, ints):
    folder = make_folder(graph=False)
    save_graph(folder / "onnx" / "model.onnx", inputs=inputs, ints=ints, output="token_embeddings")
    encoder = OnnxEncoder(folder)
    want = expected(encoder, token_table, TEXTS, "mean")
    assert np.allclose(encoder.encode_documents(TEXTS), want, atol=1e-6)


def test_a_finished_sentence_embedding_is_taken_as_it_is(make_folder, save_graph, token_table):
    folder = make_folder(graph=False)
    save_graph(folder / "model.onnx", output="sentence_embedding")
    encoder = OnnxEncoder(folder)
    row = token_table[encoder.token_ids(["lazy dog"], Role.DOCUMENT)[0]].max(axis=0)
    got = encoder.encode_documents(["lazy dog"])[0]
    assert np.allclose(got, row / np.linalg.norm(row), atol=1e-6)


def test_graphs_that_cannot_be_served_are_refused(make_folder, save_graph):
    folder = make_folder(graph=False)
    path = folder / "model.onnx"
    save_graph(path, inputs=["input_ids", "past_key_values.0.key"])
    with pytest.raises(ModelNotAvailable, match=r"past_key_values\.0\.key"):
        OnnxEncoder(folder)
    save_graph(path, output="logits")
    with pytest.raises(ModelNotAvailable, match="logits"):
        OnnxEncoder(folder)
    path.write_bytes(b"not a graph")
    with pytest.raises(ModelNotAvailable, match=r"model\.onnx"):
        OnnxEncoder(folder)


def test_devices_are_refused_by_name(make_folder):
    folder = make_folder()
    with pytest.raises(ValueError, match="tpu"):
        OnnxEncoder(folder, device="tpu")
    assert OnnxEncoder(folder, device="cpu").device == "cpu"


@pytest.mark.parametrize("policy", ["end", "start", "split"])
def test_truncation_keeps_prompt_and_special_tokens(make_folder, token_table, policy):
    encoder = OnnxEncoder(make_folder(prompts={"document": "passage: "}), truncation=policy)
    text = "fox " * 20 + "dog " * 20
    plan = encoder._plan([text], Role.DOCUMENT)
    assert max(map(len, plan.ids)) <= encoder.max_tokens == 16
    head = encoder.token_ids(["fox"], Role.DOCUMENT)[0][:3]
    assert all(ids[:3] == head and ids[-1] == 3 for ids in plan.ids)
    report = encoder.encode_with_report([text], Role.DOCUMENT).truncation
    assert report.dropped == (0 if policy == "split" else 40 - 12,)


def test_dimensions_and_fingerprint(make_folder):
    folder = make_folder()
    whole, cut = OnnxEncoder(folder), OnnxEncoder(folder, dimensions=3)
    want = whole.encode_documents(TEXTS)[:, :3]
    want = want / np.linalg.norm(want, axis=1, keepdims=True)
    assert np.allclose(cut.encode_documents(TEXTS), want, atol=1e-6)
    assert set(cut.fingerprint.differences(whole.fingerprint)) == {"dim"}
    assert whole.fingerprint.revision.startswith("sha256:")


def test_pickles_before_and_after_use(make_folder):
    encoder = OnnxEncoder(make_folder(), prompts={"query": "query: "}, dimensions=4)
    before = pickle.loads(pickle.dumps(encoder))
    rows = encoder.encode_queries(TEXTS)
    after = pickle.loads(pickle.dumps(encoder))
    for copy in (before, after):
        assert copy.fingerprint == encoder.fingerprint
        assert np.array_equal(copy.encode_queries(TEXTS), rows)


def test_closing_frees_the_session_and_is_final(make_folder):
    encoder = OnnxEncoder(make_folder())
    encoder.close()
    encoder.close()
    with pytest.raises(RolevecError, match="closed"):
        encoder.encode_documents(TEXTS)
