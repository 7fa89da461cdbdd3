"""Worker: fastembed on the folder's own ONNX file."""

import json
from pathlib import Path

import numpy as np
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType
from harness import serve

state = {}


def load(model, texts, dim, batch_size):
    state["texts"] = json.loads(Path(texts).read_text("utf-8"))
    TextEmbedding.add_custom_model(
        model="local/model",
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(hf="local/model"),
        dim=dim,
        model_file="model.onnx",
    )
    state["batch_size"] = batch_size
    state["model"] = TextEmbedding("local/model", specific_model_path=model)
    # The file says to pad every text to 128 tokens; it is faster without.
    tokenizer = state["model"].model.tokenizer
    tokenizer.no_padding()
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")


def encode():
    found = state["model"].embed(state["texts"], batch_size=state["batch_size"])
    state["vectors"] = np.array(list(found))


def query(texts):
    for text in texts:
        list(state["model"].embed([text]))


def save(path):
    np.save(path, state["vectors"].astype(np.float32))


serve(load=load, encode=encode, query=query, save=save)
