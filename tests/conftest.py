"""A real, small static model: a counted vocabulary and a random table; a server; a way to wait."""

import importlib.util
import json
import math
import shutil
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

CORPUS = [
    "the quick brown fox jumps over the lazy dog",
    "der schnelle braune Fuchs springt über den faulen Hund",
    "快速的棕色狐狸跳过懒狗",
    "быстрая коричневая лиса прыгает через ленивую собаку",
    "الثعلب البني السريع يقفز فوق الكلب الكسول",
]
DIM = 32


def vocabulary():
    """Letters, and the letter or two that begin several words, with log shares.

    Counted here, because the library's trainer breaks ties differently in every run, and then
    each run would test another model.
    """
    words = ["▁" + word for text in CORPUS for word in text.split()]
    pieces = Counter("".join(words))
    starts = Counter(word[:size] for word in words for size in (2, 3))
    pieces.update({start: count for start, count in starts.items() if count > 1})
    total = sum(pieces.values())
    scores = {piece: math.log(count / total) for piece, count in pieces.items()}
    return [("<unk>", min(scores.values()) - 10), *sorted(scores.items())]


@pytest.fixture(scope="session")
def until():
    """Waits for a condition, and returns what it says once that is true."""

    def wait(condition, seconds=10):
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, "it did not come about"
            time.sleep(0.005)
        return found

    return wait


@pytest.fixture(scope="session")
def static_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("static-model")
    tokenizer = Tokenizer(models.Unigram(vocabulary(), unk_id=0))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(
        [AddedToken(role, special=True, normalized=False) for role in ("query: ", "document: ")]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    rows = tokenizer.get_vocab_size()
    rng = np.random.default_rng(0)
    save_file(
        {
            "embeddings": rng.integers(-127, 128, (rows, DIM), dtype=np.int8),
            "scales": rng.uniform(0.01, 0.03, rows).astype(np.float32),
        },
        folder / "model.safetensors",
    )
    config = {
        "format": "rolevec-static",
        "format_version": 1,
        "name": "tiny-static",
        "dim": DIM,
        "max_tokens": 16,
        "prompts": {"query": "query: ", "document": "document: "},
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def altered(tmp_path_factory):
    """A copy of a static model's folder, whose config.json tells something else."""

    def alter(folder, **changes):
        copy = tmp_path_factory.mktemp("altered") / "model"
        shutil.copytree(folder, copy)
        config = json.loads((copy / "config.json").read_text(encoding="utf-8")) | changes
        (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")
        return copy

    return alter


@pytest.fixture
def qdrant_server():
    """A server that answers like Qdrant and keeps what it was asked."""
    # Tests are imported by path, so a module beside them has to be, too.
    path = Path(__file__).with_name("qdrant_server.py")
    spec = importlib.util.spec_from_file_location("qdrant_server", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server = module.QdrantServer()
    yield server
    server.close()
