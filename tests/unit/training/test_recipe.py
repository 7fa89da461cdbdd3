"""Recipes of both kinds of runs."""

import subprocess
import sys
from importlib.resources import files

import pytest

from rolevec.training import (
    Architecture,
    SoundSettings,
    TrainConfig,
    TransformerConfig,
    load_recipe,
)


def write(tmp_path, text):
    path = tmp_path / "r.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recipe_says_which_kind_of_run_it_is(tmp_path):
    folders = {"data": tmp_path, "output": "out"}
    static = load_recipe(write(tmp_path, "dim = 8\n"), **folders)
    assert isinstance(static, TrainConfig)
    assert (static.dim, str(static.output)) == (8, "out")
    recipe = write(tmp_path, 'kind = "transformer"\nmodel = "m"\nkinds = ["hard"]\ndata = "d"\n')
    tuned = load_recipe(recipe, output="out", batch=8)
    assert isinstance(tuned, TransformerConfig)
    assert (tuned.model, tuned.kinds, tuned.batch) == ("m", ("hard",), 8)
    assert tuned.data == tmp_path / "d"
    assert TransformerConfig.from_toml(recipe, output="out").model == "m"
    with pytest.raises(ValueError, match="of the kind 'transformer', not 'static'"):
        TrainConfig.from_toml(recipe, **folders)
    with pytest.raises(ValueError, match="kind='magic' is none of static, transformer"):
        load_recipe(write(tmp_path, 'kind = "magic"\n'), **folders)


def test_a_table_of_the_recipe_becomes_an_architecture(tmp_path):
    text = 'kind = "transformer"\n[architecture]\nlayers = 2\nhidden = 32\nheads = 2\n'
    read = load_recipe(write(tmp_path, text), data="d", output="o")
    assert read.architecture == Architecture(layers=2, hidden=32, heads=2)
    assert read.to_dict()["architecture"]["hidden"] == 32
    assert not {"data", "output", "cache"} & read.to_dict().keys()
    with pytest.raises(ValueError, match=r"\[architecture\]: unknown settings lairs"):
        load_recipe(write(tmp_path, text + "lairs = 3\n"), data="d", output="o")
    with pytest.raises(ValueError, match="hidden=32 over heads=3"):
        load_recipe(write(tmp_path, text.replace("heads = 2", "heads = 3")), data="d", output="o")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": ""}, "name a model"),
        ({"architecture": Architecture()}, "name a model"),
        ({"kinds": ("poem",)}, "poem"),
        ({"kinds": ()}, "none given"),
        ({"batch": 1}, "batch"),
        ({"epochs": 0.0}, "epochs"),
        ({"negatives": 0}, "negatives"),
    ],
)
def test_settings_that_mean_nothing_are_refused(tmp_path, changes, said):
    with pytest.raises(ValueError, match=said):
        TransformerConfig(**({"data": tmp_path, "output": tmp_path, "model": "m"} | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mix": {"poem": 1.0}}, "unknown kinds of pairs in mix: poem"),
        ({"mix": {"parallel": 0.0}}, "no kind of pair a share"),
        ({"batch": 1}, "batch must be at least 2"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1"),
        ({"weight_decay": 20.0, "learning_rate": 0.05}, "must lie in"),
        ({"bits": 2, "dim": 30}, "bits=2 with dim=30"),
        ({"bits": 4, "refined": 5}, "refined=5 with bits=4"),
        ({"bits": 2, "refined": -1}, "refined=-1 with bits=2"),
        ({"ridge": 0.0}, "ridge=0.0 is no number above 0"),
        ({"ridge": float("inf")}, "ridge=inf is no number above 0"),
        ({"bits": 8, "coarse": 5}, "coarse=5 with bits=8"),
        ({"bits": 2, "coarse": 5, "dim": 12}, "coarse=5 with dim=12, which 8 does not divide"),
        ({"bits": 2, "coarse": 60, "refined": 41, "vocab": 100}, "refined=41 and coarse=60 of 100"),
        ({"matryoshka": (64,), "dim": 64}, "between 0 and 64"),
        ({"dictionary": -1}, "dictionary=-1 is no number of entries"),
        ({"stems": (4, 0)}, r"stems=\(4, 0\): numbers of letters"),
        ({"stems": (4, 4)}, r"stems=\(4, 4\): numbers of letters"),
    ],
)
def test_settings_of_static_models_that_mean_nothing_are_refused(tmp_path, changes, said):
    with pytest.raises(ValueError, match=said):
        TrainConfig(**({"data": tmp_path, "output": tmp_path} | changes))


def test_the_recipes_of_the_package_are_readable(tmp_path):
    recipes = {r.name: r for r in (files("rolevec.training") / "recipes").iterdir()}
    read = {n: load_recipe(str(r), data=tmp_path, output=tmp_path) for n, r in recipes.items()}
    seeds = {name: recipe.seed for name, recipe in read.items()}
    assert seeds == {"light.toml": 1, "contextual.toml": 0, "tune.toml": 0}
    light = read["light.toml"]
    assert light.sounds == SoundSettings(0.45, 0.45, full_at=40, dim=256)
    assert (light.vocab, light.refined, light.coarse, light.ridge) == (195_000, 3500, 53_000, 1.0)
    assert light.dictionary == 530_000


def test_the_door_to_training_is_light():
    code = (
        "import sys, rolevec.training as t; [getattr(t, n) for n in t.__all__];"
        "print([m for m in ('torch', 'transformers', 'datasets') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
