"""Model folders small enough to be made on the spot."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = ["query", "document", ":", "passage", "the", "a", "fox", "dog", "lazy", "quick", "brown"]
VOCABULARY = {word: number for number, word in enumerate(SPECIAL + WORDS)}
HIDDEN = 8


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture(scope="session")
def word_tokenizer():
    """One token per word, [CLS] before and [SEP] behind."""
    tokenizer = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


@pytest.fixture(scope="session")
def token_table():
    """The vector of every token in the graphs of `save_graph`."""
    return np.random.default_rng(7).normal(size=(len(VOCABULARY), HIDDEN)).astype(np.float32)


@pytest.fixture
def save_graph(token_table):
    """Write a real ONNX graph that looks token vectors up in `token_table`."""

    def save(path, *, inputs=("input_ids", "attention_mask"), output="last_hidden_state", ints=7):
        nodes = [helper.make_node("Gather", ["table", "input_ids"], ["tokens"])]
        # Every further input takes part, as zero, so that feeding it wrongly is an error.
        total = "tokens"
        for name in inputs:
            if name == "input_ids":
                continue
            nodes += [
                helper.make_node("Cast", [name], [f"{name}_f"], to=TensorProto.FLOAT),
                helper.make_node("Mul", [f"{name}_f", "zero"], [f"{name}_0"]),
                helper.make_node("Unsqueeze", [f"{name}_0", "last"], [f"{name}_u"]),
                helper.make_node("Add", [total, f"{name}_u"], [f"with_{name}"]),
            ]
            total = f"with_{name}"
        shape = ["batch", "width", HIDDEN]
        if output == "sentence_embedding":
            nodes.append(helper.make_node("ReduceMax", [total, "axis"], [output], keepdims=0))
            shape = ["batch", HIDDEN]
        else:
            nodes.append(helper.make_node("Identity", [total], [output]))
        graph = helper.make_graph(
            nodes,
            "lookup",
            [helper.make_tensor_value_info(n, ints, ["batch", "width"]) for n in inputs],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
            [
                numpy_helper.from_array(token_table, "table"),
                numpy_helper.from_array(np.float32(0), "zero"),
                numpy_helper.from_array(np.array([2]), "last"),
                numpy_helper.from_array(np.array([1]), "axis"),
            ],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, path)

    return save


@pytest.fixture
def make_folder(tmp_path, word_tokenizer, save_graph):
    """Write a folder in the layout of sentence-transformers."""

    def make(name="tiny", *, pooling="mean", prompts=None, config=None, steps=(), graph=True):
        folder = tmp_path / name
        folder.mkdir()
        word_tokenizer.save(str(folder / "tokenizer.json"))
        write_json(
            folder / "config.json",
            {"model_type": "bert", "hidden_size": HIDDEN, "max_position_embeddings": 16}
            | {"pad_token_id": 0}
            | (config or {}),
        )
        if pooling is not None:
            kinds = [("", "models.Transformer"), ("1_Pooling", "models.Pooling"), *steps]
            modules = [
                {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.{kind}"}
                for i, (path, kind) in enumerate(kinds)
            ]
            write_json(folder / "modules.json", modules)
            setting = {"pooling_mode": pooling} if isinstance(pooling, str) else pooling
            write_json(folder / "1_Pooling" / "config.json", setting)
        if prompts is not None:
            write_json(folder / "config_sentence_transformers.json", {"prompts": prompts})
        if graph:
            save_graph(folder / "model.onnx")
        return folder

    return make
