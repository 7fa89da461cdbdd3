"""The example scripts run as they stand."""

import subprocess
import sys
from pathlib import Path

import pytest

from rolevec.errors import ModelNotAvailable
from rolevec.models.bundled import light_folder

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("llama_index_query_engine", ["Hamburg", "emergency doctor"]),
        ("one_collection_two_frameworks", ["documents in all: 3", "refused:"]),
        ("stock_llama_index", ["whale", "moon"]),
    ],
)
def test_it_runs(script, words, tmp_path):
    try:
        light_folder()
    except ModelNotAvailable:
        pytest.skip("the bundled model is not in this tree")
    out = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{script}.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    for word in words:
        assert word in out.stdout
