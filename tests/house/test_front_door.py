"""The public surface is sorted, whole and light."""

import subprocess
import sys

import rolevec

HEAVY = [
    "torch",
    "transformers",
    "onnxruntime",
    "qdrant_client",
    "qdrant_edge",
    "pydantic",
    "httpx",
    "rich",
    "click",
]


def test_every_public_name_exists():
    for name in rolevec.__all__:
        assert getattr(rolevec, name) is not None


def test_all_is_sorted_and_matches_the_table():
    assert set(rolevec.__all__) == set(rolevec._HOME)
    assert list(rolevec._HOME) == sorted(rolevec._HOME)
    assert rolevec.__all__ == sorted(rolevec.__all__)


def test_importing_rolevec_imports_nothing_heavy():
    code = f"import sys, rolevec; print([m for m in {HEAVY} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
