"""A real, small static model: a trained tokenizer and a random table; a server to talk to."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, trainers

CORPUS = [
    "the quick brown fox jumps over the lazy dog",
    "der schnelle braune Fuchs springt über den faulen Hund",
    "快速的棕色狐狸跳过懒狗",
    "быстрая коричневая лиса прыгает через ленивую собаку",
    "الثعلب البني السريع يقفز فوق الكلب الكسول",
]
DIM = 32


@pytest.fixture(scope="session")
def static_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("static-model")
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=["<unk>"], unk_token="<unk>")
    tokenizer.train_from_iterator(CORPUS * 4, trainer)
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
