"""Finding, adding and suggesting cards."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from rolevec.errors import ModelNotAvailable, UnsupportedRole
from rolevec.models import bundled, registry
from rolevec.models.card import ModelCard
from rolevec.models.known import KNOWN
from rolevec.models.registry import cards, find_card, register_card, suggest

OWN = ModelCard(name="acme/own-model", dim=8, max_tokens=64, aliases=("own",))


@pytest.fixture(autouse=True)
def _restore(monkeypatch):
    monkeypatch.setattr(registry, "_cards", KNOWN)


@pytest.fixture
def light(tmp_path, monkeypatch):
    """A bundled model of which only the settings are there."""
    config = {"format": "rolevec-static", "name": "embed-light", "dim": 256, "max_tokens": 512}
    config["prompts"] = {"query": "query: ", "document": "document: "}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    monkeypatch.setattr(bundled, "_folder", lambda: tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("intfloat/multilingual-e5-base", "intfloat/multilingual-e5-base"),
        ("INTFLOAT/Multilingual-E5-Base", "intfloat/multilingual-e5-base"),
        (" baai/bge-m3 ", "BAAI/bge-m3"),
        ("labse", "sentence-transformers/LaBSE"),
    ],
)
def test_found_by_name_or_last_part_in_any_case(asked, name):
    assert find_card(asked).name == name


@pytest.mark.parametrize(
    ("alias", "dim"),
    [
        # Dimensions and limit as in Cohere's documentation of these models.
        ("embed-multilingual-v3.0", 1024),
        ("embed-english-v3.0", 1024),
        ("embed-multilingual-light-v3.0", 384),
        ("embed-english-light-v3.0", 384),
    ],
)
def test_cohere_names_find_an_open_model_of_the_same_size(alias, dim):
    card = find_card(alias)
    assert (card.dim, card.max_tokens) == (dim, 512)
    assert (card.languages == ("eng",)) is ("english" in alias)


def test_unknown_and_ambiguous_names_find_nothing():
    assert find_card("no/such-model") is None
    assert find_card("") is None
    register_card(ModelCard(name="acme/LaBSE", dim=8, max_tokens=64))
    assert find_card("LaBSE") is None
    assert find_card("acme/labse").dim == 8


def test_the_bundled_model_comes_first(light):
    assert [card.name for card in cards()] == ["embed-light", *(card.name for card in KNOWN)]
    assert find_card("light") == find_card("Embed-Light") == cards()[0]
    assert cards()[0].dim == 256
    assert cards()[0].prompts == {"query": "query: ", "document": "document: "}


def test_without_its_files_only_the_bundled_model_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(bundled, "_folder", lambda: tmp_path / "nothing")
    assert cards() == KNOWN
    with pytest.raises(ModelNotAvailable, match="reinstall"):
        find_card("light")


def test_registered_cards_are_found_and_replaced():
    register_card(OWN)
    assert find_card("OWN") == find_card("own-model") == OWN
    newer = replace(OWN, dim=16)
    register_card(newer)
    assert find_card("own") == newer
    assert [card.name for card in cards()].count(OWN.name) == 1


@pytest.mark.parametrize("taken", ["embed-english-v3.0", "baai/BGE-M3", "light"])
def test_a_name_of_another_card_is_refused(taken):
    before = cards()
    with pytest.raises(ValueError, match=r"already names .* another name or alias"):
        register_card(replace(OWN, aliases=(taken,)))
    assert cards() == before


def test_impossible_cards_are_refused():
    with pytest.raises(ValueError, match="dim=0"):
        register_card(replace(OWN, dim=0))
    with pytest.raises(UnsupportedRole):
        register_card(replace(OWN, prompts={"questoin": "q: "}))
    assert find_card("own") is None


def test_registering_from_many_threads_loses_nothing():
    new = [replace(OWN, name=f"acme/m{i}", aliases=(f"m{i}",)) for i in range(200)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(register_card, new))
    assert {card.name for card in new} <= {card.name for card in cards()}


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [
        ("multilingual-e5-larg", "intfloat/multilingual-e5-large"),
        ("BAAI/bge_m3", "BAAI/bge-m3"),
        ("embed-multilingual-v3", "embed-multilingual-v3.0"),
        ("ligth", "light"),
        ("qwen3", "Qwen/Qwen3-Embedding-0.6B"),
    ],
)
def test_suggestions_hold_what_was_meant(mistyped, meant):
    near = suggest(mistyped)
    assert near[0] == meant
    assert len(near) <= 3
    assert len(set(near)) == len(near)


def test_no_suggestion_for_what_is_far_from_all():
    assert suggest("wxyzwxyzwxyz") == []
    assert suggest("") == []
