"""Reading model folders: pooling, limits, prompts, layers behind the pooling, and refusals."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from rolevec.encoders.folder import content_revision, find_onnx, read_folder
from rolevec.encoders.modules import read_modules
from rolevec.errors import MissingPrompts, ModelNotAvailable
from rolevec.models.card import ModelCard

ROBERTA = {"model_type": "xlm-roberta", "pad_token_id": 1, "max_position_embeddings": 514}
DENSE = [("2_Dense", "models.Dense"), ("3_Normalize", "models.Normalize")]


def save_dense(folder, weight, bias=None, **config):
    path = folder / "2_Dense"
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(json.dumps(config))
    tensors = {"linear.weight": weight} | ({} if bias is None else {"linear.bias": bias})
    save_file(tensors, path / "model.safetensors")


@pytest.mark.parametrize(
    ("written", "pooling"),
    [
        ("mean", "mean"),
        ("cls", "cls"),
        ("lasttoken", "lasttoken"),
        (["cls"], None),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_mean_tokens": True, "word_embedding_dimension": 8}, "mean"),
        ({"pooling_mode_lasttoken": True, "include_prompt": True}, "lasttoken"),
        ({"word_embedding_dimension": 8}, "mean"),
    ],
)
def test_both_spellings_of_pooling_are_read(make_folder, written, pooling):
    if pooling is None:
        written, pooling = {"pooling_mode": written}, "cls"
    assert read_folder(make_folder(pooling=written)).card.pooling == pooling


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("max", "max"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, r"cls \+ mean"),
        ({"pooling_mode": "mean", "include_prompt": False}, "include_prompt"),
    ],
)
def test_other_poolings_are_refused_by_name(make_folder, written, named):
    with pytest.raises(ModelNotAvailable, match=named):
        read_folder(make_folder(pooling=written))


def test_without_modules_the_pooling_comes_from_option_or_card(make_folder):
    folder = make_folder(pooling=None)
    with pytest.raises(ModelNotAvailable, match="pooling="):
        read_folder(folder)
    assert read_folder(folder, pooling="cls").card.pooling == "cls"
    card = ModelCard(name="org/model", dim=8, max_tokens=12, pooling="lasttoken")
    found = read_folder(folder, card=card)
    assert (found.card.name, found.card.pooling) == ("org/model", "lasttoken")
    assert found.card.max_tokens == 12
    with pytest.raises(ValueError, match="max"):
        read_folder(folder, pooling="max")


@pytest.mark.parametrize(
    ("config", "tokenizer", "sentence", "limit"),
    [
        ({}, {}, {}, 16),
        ({}, {"model_max_length": 12}, {}, 12),
        ({}, {"model_max_length": 10**30}, {"max_seq_length": 9}, 9),
        (ROBERTA, {}, {}, 512),
        (ROBERTA | {"model_type": "bert"}, {}, {}, 514),
        ({"max_position_embeddings": None}, {}, {}, None),
    ],
)
def test_the_lowest_limit_counts(make_folder, config, tokenizer, sentence, limit):
    folder = make_folder(config=config)
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    (folder / "sentence_bert_config.json").write_text(json.dumps(sentence))
    assert read_folder(folder).card.max_tokens == limit
    assert read_folder(folder, max_tokens=5).card.max_tokens == 5


def test_prompts_of_caller_win_over_folder_over_card(make_folder):
    card = ModelCard("m", 8, None, prompts={"query": "card q: ", "document": "card d: "})
    folder = make_folder(prompts={"query": "folder q: ", "BitextMining": "x", "Clustering": "c: "})
    found = read_folder(folder, card=card, prompts={"document": "mine: "})
    assert found.prompts.to_dict() == {
        "query": "folder q: ",
        "document": "mine: ",
        "clustering": "c: ",
    }
    assert found.card.prompts["document"] == "card d: "


def test_the_plain_name_of_a_role_wins_over_its_second_name(make_folder):
    prompts = {"query": "q: ", "Retrieval-query": "other: ", "passage": "p: "}
    assert read_folder(make_folder(prompts=prompts)).prompts.to_dict() == {
        "query": "q: ",
        "document": "p: ",
    }


def test_empty_prompts_say_nothing(make_folder):
    card = ModelCard("m", 8, None, prompts={"query": "card q: "})
    folder = make_folder(prompts={"query": "", "document": ""})
    assert read_folder(folder, card=card).prompts.to_dict() == {"query": "card q: "}


def test_a_default_prompt_is_for_roles_without_their_own(make_folder):
    folder = make_folder(prompts={"query": "q: ", "s2s": "all: "})
    path = folder / "config_sentence_transformers.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"default_prompt_name": "s2s"}))
    assert read_folder(folder).prompts.to_dict() == {"query": "q: ", "document": "all: "}


def test_a_prompted_family_without_prompts_is_refused(make_folder):
    with pytest.raises(MissingPrompts):
        read_folder(make_folder("multilingual-e5-small"))
    folder = make_folder("mine", config={"_name_or_path": "intfloat/multilingual-e5-small"})
    with pytest.raises(MissingPrompts):
        read_folder(folder)
    prompts = {"query": "query: ", "document": "passage: "}
    assert read_folder(folder, prompts=prompts).prompts.to_dict() == prompts


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("torch.nn.modules.activation.Tanh", np.tanh),
        ("torch.nn.modules.linear.Identity", lambda x: x),
        (None, np.tanh),
    ],
)
def test_dense_layers_are_applied(make_folder, name, function):
    rng = np.random.default_rng(0)
    weight, bias = (rng.normal(size=s).astype(np.float32) for s in ((3, 8), (3,)))
    folder = make_folder(steps=DENSE)
    save_dense(folder, weight, bias, activation_function=name)
    found = read_folder(folder)
    assert found.card.dim == 3
    assert found.hidden == 8
    vectors = rng.normal(size=(5, 8)).astype(np.float32)
    got = vectors
    for step in found.steps:
        got = step(got)
    expected = function(vectors @ weight.T + bias)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(got, expected, atol=1e-6)


def test_bfloat16_weights_are_read(make_folder):
    folder = make_folder(steps=DENSE[:1])
    weight = np.array([[1.5, -2.0] + [0.25] * 6], dtype=np.float32)
    save_dense(folder, weight, activation_function="torch.nn.modules.linear.Identity")
    path = folder / "2_Dense" / "model.safetensors"
    upper = (weight.view(np.uint32) >> 16).astype(np.uint16)
    path.write_bytes(bf16(upper))
    (step,) = read_modules(folder).steps
    assert np.array_equal(step.weight, weight)


def bf16(bits):
    """A safetensors file by hand: numpy has no type that its writer would call BF16."""
    entry = {"dtype": "BF16", "shape": list(bits.shape), "data_offsets": [0, bits.nbytes]}
    header = json.dumps({"linear.weight": entry}).encode()
    return len(header).to_bytes(8, "little") + header + bits.tobytes()


def test_layers_that_cannot_be_applied_are_refused(make_folder):
    folder = make_folder(steps=DENSE[:1])
    save_dense(folder, np.eye(8, dtype=np.float32), activation_function="torch.nn.GELU")
    with pytest.raises(ModelNotAvailable, match="GELU"):
        read_folder(folder)
    save_dense(folder, np.eye(8, dtype=np.float32), use_residual=True)
    with pytest.raises(ModelNotAvailable, match="residual"):
        read_folder(folder)
    with pytest.raises(ModelNotAvailable, match="LayerNorm"):
        read_folder(make_folder("b", steps=[("2_LayerNorm", "models.LayerNorm")]))
    save_dense(folder, np.eye(8, dtype=np.float32))
    (folder / "2_Dense" / "model.safetensors").rename(folder / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(ModelNotAvailable, match="pickled"):
        read_folder(folder)


def test_code_of_the_models_own_is_refused(make_folder):
    folder = make_folder()
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "custom_st.Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelNotAvailable, match="custom_st"):
        read_folder(folder)


def test_the_full_precision_graph_is_chosen(make_folder, save_graph):
    folder = make_folder(graph=False)
    save_graph(folder / "onnx" / "model_quantized.onnx")
    assert find_onnx(folder) is None
    save_graph(folder / "onnx" / "model.onnx")
    assert find_onnx(folder) == folder / "onnx" / "model.onnx"
    assert find_onnx(folder, "onnx/model_quantized.onnx").name == "model_quantized.onnx"
    with pytest.raises(ModelNotAvailable, match=r"onnx/model_quantized\.onnx"):
        find_onnx(folder, "model_int8.onnx")


def test_the_revision_is_the_content(make_folder, tmp_path):
    folder = make_folder()
    first = content_revision(folder)
    shutil.copytree(folder, tmp_path / "renamed")
    assert content_revision(tmp_path / "renamed") == first
    save_file({"w": np.zeros(2, np.float32)}, folder / "model.safetensors")
    second = content_revision(folder)
    assert second.startswith("sha256:")
    assert second != first
    save_file({"w": np.ones(2, np.float32)}, folder / "model.safetensors")
    assert content_revision(folder) != second


def test_settings_outside_the_tokenizer_file_are_applied(make_folder):
    folder = make_folder()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.normalizer = None
    tokenizer.add_special_tokens(["<end>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    end = tokenizer.token_to_id("<end>")
    assert read_folder(folder).tokenizer().encode("Fox").ids[1] == 1
    (folder / "sentence_bert_config.json").write_text('{"do_lower_case": true}')
    config = {"add_eos_token": True, "eos_token": {"content": "<end>"}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    encoding = read_folder(folder).tokenizer().encode("Fox")
    assert encoding.ids[1] == tokenizer.token_to_id("fox")
    assert encoding.ids[-1] == end
    assert encoding.special_tokens_mask == [1, 0, 1, 1]


def test_missing_files_are_named(make_folder, tmp_path):
    folder = make_folder()
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelNotAvailable, match=r"tokenizer\.json"):
        read_folder(folder).tokenizer()
    with pytest.raises(ModelNotAvailable, match=r"config\.json"):
        read_folder(tmp_path)
    with pytest.raises(ModelNotAvailable, match="neither"):
        read_folder(make_folder("empty", graph=False))
