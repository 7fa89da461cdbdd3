"""Worker: fastembed on the folder's own ONNX file."""

import json
from pathlib import Path

import numpy as np
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType
from harness import serve

state = {}


def load(model, texts, dim):
    state["texts"] = json.loads(Path(texts).read_text("utf-8"))
    TextEmbedding.add_custom_model(
        model="local/model",
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(hf="local/model"),
        dim=dim,
        model_file="model.onnx",
    )
    state["model"] = TextEmbedding("local/model", specific_model_path=model)


def encode():
    state["vectors"] = np.array(list(state["model"].embed(state["texts"])))


def query(count):
    for text in state["texts"][:count]:
        list(state["model"].embed([text]))


def save(path):
    np.save(path, state["vectors"].astype(np.float32))


serve(load=load, encode=encode, query=query, save=save)
