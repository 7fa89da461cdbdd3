import subprocess
import sys

import pytest

from rolevec import evaluation
from rolevec.errors import MissingExtra
from rolevec.evaluation.content import Bitext, Retrieval, Similarity
from rolevec.evaluation.datasets import Dataset
from rolevec.testing import FakeEncoder


def test_every_name_is_there():
    assert dir(evaluation) == sorted(evaluation.__all__)
    assert all(callable(getattr(evaluation, name)) for name in evaluation.__all__)
    with pytest.raises(AttributeError, match="no attribute 'metrics_of'"):
        _ = evaluation.metrics_of


def test_importing_it_imports_nothing():
    code = (
        "import sys, rolevec.evaluation;"
        "print([m for m in ('numpy', 'scipy', 'ir_measures') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_package_is_named_before_any_work(monkeypatch):
    bitext = Dataset.of("b", Bitext(["a", "b"], ["a", "b"]))
    retrieval = Dataset.of("r", Retrieval({"d": "x"}, {"q": "x"}, {"q": {"d": 1}}))
    similarity = Dataset.of("s", Similarity(["a", "b"], ["a", "c"], [1, 0]))
    for package, name, dataset in (
        ("ir_measures", "ir-measures", retrieval),
        ("scipy.stats", "scipy", similarity),
    ):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MissingExtra, match=rf"{name} is not .* pip install 'rolevec\[eval\]'"):
            evaluation.evaluate(FakeEncoder(), [bitext, dataset])
    # Neither is needed for bitext.
    assert evaluation.evaluate(FakeEncoder(), bitext).scores[0].metrics["xx->eng"] == 1
