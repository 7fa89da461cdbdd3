"""Worker: sentence-transformers, its default or one of the settings its documentation offers."""

import json
import time
from pathlib import Path

import numpy as np
import torch
from harness import serve
from sentence_transformers import SentenceTransformer

state = {}


def load(model, texts, backend="torch", dtype=None, batch_size=32):
    state["texts"] = json.loads(Path(texts).read_text("utf-8"))
    extra = {"model_kwargs": {"torch_dtype": getattr(torch, dtype)}} if dtype else {}
    state["model"] = SentenceTransformer(model, device="cpu", backend=backend, **extra)
    state["batch_size"] = batch_size


def encode():
    state["vectors"] = state["model"].encode(
        state["texts"], normalize_embeddings=True, batch_size=state["batch_size"]
    )


def query(texts):
    for text in texts:
        state["model"].encode(text, normalize_embeddings=True)


def save(path):
    np.save(path, np.asarray(state["vectors"], dtype=np.float32))


def peak():
    """Multiply-adds a second of a large matrix product, in float32 and bfloat16."""
    rates = {}
    for dtype in (torch.float32, torch.bfloat16):
        left, right = (torch.randn(2048, 2048).to(dtype) for _ in range(2))
        best = float("inf")
        for _ in range(6):
            begin = time.perf_counter()
            left @ right
            best = min(best, time.perf_counter() - begin)
        rates[str(dtype).removeprefix("torch.")] = 2048**3 / best
    return rates


serve(load=load, encode=encode, query=query, save=save, peak=peak)
