"""model2vec, with the bundled table in full precision and the same tokenizer."""

import json
from pathlib import Path

import numpy as np
from harness import serve
from model2vec import StaticModel
from tokenizers import Tokenizer

state = {}


def load(texts, table, tokenizer, prompt):
    # It has no roles: the prompt is put before the texts once, outside what is timed.
    state["texts"] = [prompt + t for t in json.loads(Path(texts).read_text(encoding="utf-8"))]
    state["model"] = StaticModel(
        np.load(table), Tokenizer.from_file(tokenizer), config={"normalize": True}, normalize=True
    )
    state["model"].encode(state["texts"][:1000], use_multiprocessing=False)


def fresh():
    """It keeps nothing from one text to the next."""


def encode():
    state["rows"] = None
    state["rows"] = state["model"].encode(
        state["texts"], max_length=None, use_multiprocessing=False
    )
    return len(state["rows"])


def save(path, count):
    np.save(path, state["rows"][:count])


serve(load=load, fresh=fresh, encode=encode, save=save)
