"""Downloads, with the real huggingface_hub and no network."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rolevec.errors import MissingExtra
from rolevec.models import hub
from rolevec.models.hub import DEFAULT_PATTERNS, download

pytest.importorskip("huggingface_hub")

NAME = "acme/tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PACKAGE = str(Path(hub.__file__).parents[2])


def attempt(home, call, **environment):
    """Evaluate a call of `download` in a fresh process, whose hub is a closed port of this machine.

    The environment is read when huggingface_hub is imported, hence the process.
    """
    code = f"""
        from rolevec.errors import ModelNotAvailable
        from rolevec.models.hub import download
        try:
            print("found", {call})
        except ModelNotAvailable as error:
            print("ModelNotAvailable", error)
    """
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={
            **inherited,
            "PYTHONPATH": PACKAGE,
            "HF_HOME": str(home),
            "HF_ENDPOINT": "http://127.0.0.1:9",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    kind, _, rest = done.stdout.strip().partition(" ")
    return kind, rest


def fill_cache(home, files, *, branch=None):
    """Write the layout that huggingface_hub documents for its cache."""
    repository = home / "hub" / "models--acme--tiny"
    snapshot = repository / "snapshots" / COMMIT
    for name, content in files.items():
        path = snapshot / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    if branch:
        (repository / "refs").mkdir()
        (repository / "refs" / branch).write_text(COMMIT, encoding="utf-8")
    return snapshot


def test_out_of_reach_is_one_error_with_ways_to_go_on(tmp_path):
    kind, message = attempt(tmp_path, f"download({NAME!r}, {COMMIT!r})")
    assert kind == "ModelNotAvailable"
    for part in (NAME, COMMIT, "HF_HUB_OFFLINE", "HF_HOME", "folder", '"light"'):
        assert part in message


def test_offline_by_choice_is_the_same_error(tmp_path):
    kind, message = attempt(tmp_path, f"download({NAME!r})", HF_HUB_OFFLINE="1")
    assert kind == "ModelNotAvailable"
    assert "unset HF_HUB_OFFLINE" in message


def test_a_pinned_revision_in_the_cache_is_found_without_network(tmp_path):
    snapshot = fill_cache(tmp_path, {"config.json": "{}", "model.safetensors": "w"})
    found = attempt(tmp_path, f"download({NAME!r}, {COMMIT!r})")
    assert found == ("found", str(snapshot))


def test_the_newest_revision_falls_back_on_the_cache(tmp_path):
    snapshot = fill_cache(tmp_path, {"config.json": "{}", "model.safetensors": "w"}, branch="main")
    assert attempt(tmp_path, f"download({NAME!r})") == ("found", str(snapshot))


@pytest.mark.parametrize(
    ("files", "complete"),
    [
        ({"config.json": "{}", "onnx/model.onnx": "g"}, True),
        ({"config.json": "{}", "model.safetensors": "w"}, True),
        ({"config.json": "{}"}, False),
        ({"model.safetensors": "w"}, False),
        ({"config.json": "{}", "2_Dense/model.safetensors": "w"}, False),
    ],
)
def test_a_partial_snapshot_is_not_taken_for_a_model(tmp_path, files, complete):
    assert hub._is_complete(fill_cache(tmp_path, files), DEFAULT_PATTERNS) is complete


def test_a_divided_model_needs_all_its_parts(tmp_path):
    parts = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    index = {"weight_map": {"a": parts[0], "b": parts[1]}}
    files = {"config.json": "{}", "model.safetensors.index.json": json.dumps(index)}
    snapshot = fill_cache(tmp_path, {**files, parts[0]: "w"})
    assert not hub._is_complete(snapshot, DEFAULT_PATTERNS)
    fill_cache(tmp_path, {parts[1]: "w"})
    assert hub._is_complete(snapshot, DEFAULT_PATTERNS)


def fetched(files, patterns=DEFAULT_PATTERNS):
    """What huggingface_hub's own filter lets through."""
    from huggingface_hub.utils import filter_repo_objects

    allowed = hub._checked(patterns)
    return set(filter_repo_objects(files, allow_patterns=allowed, ignore_patterns=list(hub._NEVER)))


def test_pickles_and_code_stay_on_the_hub():
    dangerous = [
        "pytorch_model.bin",
        "2_Dense/pytorch_model.bin",
        "colbert_linear.pt",
        "rust_model.ot",
        "tf_model.h5",
        "flax_model.msgpack",
        "training_args.bin",
        "modeling_new.py",
        "embeddings.pkl",
        "onnx/model.onnx.pickle",
    ]
    assert fetched(dangerous) == set()


def test_what_a_model_needs_is_fetched():
    needed = {
        "config.json",
        "1_Pooling/config.json",
        "2_Dense/model.safetensors",
        "tokenizer.json",
        "vocab.txt",
        "sentencepiece.bpe.model",
        "model.safetensors",
        "model-00001-of-00002.safetensors",
        "onnx/model.onnx",
        "onnx/model.onnx_data",
        "onnx/Constant_7_attr__value",
    }
    assert fetched(needed) == needed
    # Quantised and framework-specific copies would multiply the download.
    assert fetched(["onnx/model_O4.onnx", "openvino/openvino_model.xml", "README.md"]) == set()


@pytest.mark.parametrize("pattern", ["*", "*.bin", "pytorch_model*", "*.pt", "*.onnx.bin", "*.p*"])
def test_a_pattern_for_other_formats_is_refused(pattern):
    with pytest.raises(ValueError, match="can run code"):
        download(NAME, COMMIT, ("*.json", pattern))


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match=r"rolevec\[onnx\]"):
        download(NAME, COMMIT)


def test_reading_cards_does_not_import_the_hub():
    code = "import sys, rolevec.models.registry, rolevec.models.hub; print(len(sys.modules)); "
    code += "print('huggingface_hub' in sys.modules or 'tokenizers' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": PACKAGE},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-1] == "False"
