"""The direction of imports, as the layout promises it."""

import ast
from pathlib import Path

import pytest

import rolevec

PACKAGE = Path(rolevec.__file__).parent
CORE = {
    "documents",
    "door",
    "errors",
    "fingerprint",
    "prompts",
    "roles",
    "scripts",
    "tables",
    "truncation",
    "vectors",
}

# Folder or module of the package -> the other parts of it that it may import; everyone may
# import core.
MAY_IMPORT = {
    "models": set(),
    "lines": set(),
    "parquet": set(),
    "encoders": {"models"},
    "testing": {"encoders", "models"},
    "ranking": {"encoders", "models"},
    "qdrant": {"encoders", "ranking"},
    "indexing": {"encoders", "parquet", "qdrant"},
    "training": {"encoders", "lines", "models", "parquet"},
    "evaluation": {"encoders", "lines", "ranking"},
    "langchain": {"encoders", "ranking", "qdrant", "models"},
    "llama_index": {"encoders", "ranking", "qdrant", "models"},
    "server": {"models", "encoders", "ranking"},
    "config": {"encoders", "ranking", "qdrant", "langchain", "llama_index"},
    "cli": {"models", "encoders", "ranking", "qdrant", "indexing", "training", "evaluation",
            "server", "config"},
    "__main__": {"cli"},
}  # fmt: skip

# Package that not every installation has -> the one file, or product folder, that imports it.
OPTIONAL = {
    "huggingface_hub": {"models/hub.py"},
    "onnxruntime": {"encoders/onnx.py"},
    "openvino": {"encoders/openvino.py"},
    "transformers": {"encoders/torch.py", "training/"},
    "sentence_transformers": {"training/transformer.py"},
    "datasets": {"training/transformer.py"},
    "torch": {"encoders/torch.py", "encoders/export.py", "training/"},
    "matplotlib": {"evaluation/plots.py", "ranking/clustering/picture.py", "training/plot.py"},
    "langchain_core": {"langchain/"},
    "llama_index": {"llama_index/"},
    "qdrant_client": {"qdrant/", "llama_index/filters.py"},
    "qdrant_edge": {"qdrant/backends/"},
    "click": {"cli/"},
    "httpx": {"encoders/remote/transport.py"},
    "mteb": {"evaluation/mteb.py"},
    "ir_measures": {"evaluation/metrics.py"},
    "scipy": {"evaluation/metrics.py"},
    "starlette": {"server/app.py"},
    "uvicorn": {"server/running.py"},
    "prometheus_client": {"server/metrics.py"},
    "tiktoken": {"server/token_ids.py"},
    "orjson": {"server/"},
    "pyarrow": {"parquet.py"},
    "yaml": {"config/yaml_text.py"},
    "umap": {"ranking/clustering/projection.py"},
    "sklearn": {"ranking/clustering/estimators.py"},
    "threadpoolctl": {"ranking/clustering/estimators.py"},
    "ray": {"indexing/ray.py"},
    "snowballstemmer": {"ranking/stemming.py"},
    "semantic_text_splitter": {"indexing/splitting.py"},
}


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def imports(path):
    """Every module that a file imports, wherever in it, type checking included."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def part(module):
    return module.split(".")[1] if module.count(".") else ""


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_place_allows(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    inside = {part(m) for m in imports(path) if m.startswith("rolevec.")} - {own, ""}
    if own == "__init__":
        return
    known = CORE | MAY_IMPORT.keys()
    inside = {name for name in inside if name in known}
    allowed = CORE | (set() if own in CORE else MAY_IMPORT[own])
    assert inside <= allowed, f"{own} may not import {', '.join(sorted(inside - allowed))}"


def test_core_needs_numpy_only():
    import sys

    for name in CORE:
        outside = {m.split(".")[0] for m in imports(PACKAGE / f"{name}.py")}
        assert outside <= set(sys.stdlib_module_names) | {"numpy", "rolevec"}, name


@pytest.mark.parametrize("package", OPTIONAL)
def test_an_optional_package_has_one_door(package):
    found = set()
    for path in modules():
        if any(m.split(".")[0] == package for m in imports(path)):
            found.add(path.relative_to(PACKAGE).as_posix())
    strays = {f for f in found if not any(f.startswith(home) for home in OPTIONAL[package])}
    assert not strays


def test_every_part_has_its_rule():
    parts = {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in modules()}
    assert parts - CORE - {"__init__"} <= MAY_IMPORT.keys()
