"""Where the bundled model is, and what its card says."""

import json

import pytest

from rolevec.errors import ModelNotAvailable
from rolevec.models import bundled
from rolevec.models.bundled import light_card, light_folder

CONFIG = {
    "format": "rolevec-static",
    "name": "embed-light",
    "dim": 64,
    "max_tokens": 256,
    "prompts": {"query": "query: ", "document": "document: "},
    "languages": ["deu", "eng"],
    "license": "Apache-2.0",
    "matryoshka_dims": [32],
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(bundled, "_folder", lambda: tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    return tmp_path


def test_the_card_needs_the_settings_only(folder):
    card = light_card()
    assert card.name == "embed-light"
    assert card.aliases == ("light",)
    assert (card.dim, card.max_tokens, card.matryoshka_dims) == (64, 256, (32,))
    assert card.prompts == CONFIG["prompts"]
    assert card.languages == ("deu", "eng")


def test_the_folder_needs_every_file(folder):
    (folder / "tokenizer.json.gz").write_bytes(b"")
    with pytest.raises(ModelNotAvailable, match=r"model\.safetensors.*reinstall"):
        light_folder()
    (folder / "model.safetensors").write_bytes(b"")
    assert light_folder() == folder


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"dim": null}', '{"dim": 8, "prompts": 3}'])
def test_settings_that_cannot_be_read_are_named(folder, content):
    (folder / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelNotAvailable, match=r"config\.json"):
        light_card()


def test_missing_settings_say_how_to_go_on(folder):
    (folder / "config.json").unlink()
    with pytest.raises(ModelNotAvailable, match=r"config\.json.*reinstall"):
        light_card()


def test_the_real_folder_lies_in_the_package():
    assert bundled._folder().parent.name == "models"
    assert (bundled._folder().parent / "card.py").is_file()


def test_the_model_in_the_package_is_no_larger_than_promised():
    files = [path for path in light_folder().iterdir() if path.is_file()]
    assert {path.name for path in files} >= {
        "config.json",
        "model.safetensors",
        "tokenizer.json.gz",
    }
    assert sum(path.stat().st_size for path in files) <= 40_000_000
