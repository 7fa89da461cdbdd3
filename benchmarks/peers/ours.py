"""Worker: rolevec, any model and options of `load_encoder`."""

import json
from pathlib import Path

import numpy as np
from harness import serve

from rolevec import Role, load_encoder

state = {}


def load(model, texts, **options):
    state["texts"] = json.loads(Path(texts).read_text("utf-8"))
    state["encoder"] = load_encoder(model, truncation="end", prompts={}, **options)
    return {key: getattr(state["encoder"], key, None) for key in ("backend", "precision")}


def encode():
    state["vectors"] = state["encoder"].encode(state["texts"], Role.DOCUMENT)


def query(texts):
    for text in texts:
        state["encoder"].encode_queries([text])


def save(path):
    np.save(path, state["vectors"])


def tokens():
    return state["encoder"].count_tokens(state["texts"], Role.DOCUMENT)


serve(load=load, encode=encode, query=query, save=save, tokens=tokens)
