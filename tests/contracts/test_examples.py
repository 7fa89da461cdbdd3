"""The example scripts run as they stand, and find what they ask for."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SAYS = {
    "langchain_rag": ["kündigen", "three months ahead", "reranked: parking"],
    "llama_index_query_engine": ["Hamburg", "emergency doctor"],
    "one_collection_two_frameworks": ["documents in all: 3", "refused:"],
    "plain": ["still 6 documents", "fever:", "bank:", "since 2022: ['school'"],
    "quality_loop": ["mined: 74 pairs", "held-out: 26 queries", "migrated: 50 documents"],
    "stock_langchain": ["whale:", "moon:"],
    "stock_llama_index": ["whale", "moon"],
}


def test_every_example_is_known_here():
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == sorted(SAYS)


@pytest.mark.slow
@pytest.mark.parametrize("script", SAYS)
def test_it_runs(script, tmp_path):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{script}.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for word in SAYS[script]:
        assert word in done.stdout
    assert list(tmp_path.iterdir()) == [], "an example leaves nothing behind"
