import json

import pytest

from rolevec import Collection, Document
from rolevec.encoders.foreign import VectorsOnly
from rolevec.encoders.loading import load_encoder


@pytest.fixture
def store(run_json, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "fox.txt").write_text("the quick brown fox", encoding="utf-8")
    (folder / "dog.md").write_text("der faule Hund", encoding="utf-8")
    run_json("index", folder, "--dimensions", 16)
    return folder


def test_it_migrates_and_drops(run, run_json, store, tmp_path):
    queries = tmp_path / "queries.txt"
    queries.write_text("a fox\n\nein Hund\n", encoding="utf-8")
    looked = run_json("migrate", "light", "--no-switch", "--queries", queries, "-k", 1)
    assert (looked["switched"], looked["encoded"], looked["queries"]) == (False, 2, 2)
    assert looked["overlap"] == 1.0
    assert run_json("search", "Hund", "-k", 1, "--dimensions", 16)[0]["id"] == "dog.md"
    done = run_json("migrate", "light")
    assert (done["switched"], done["encoded"], done["points"]) == (True, 0, 2)
    assert run_json("search", "Hund", "-m", "light", "-k", 1)[0]["id"] == "dog.md"
    # As a run that was killed right behind the switch is called again.
    again = run_json("migrate", "light", "--drop-old")
    assert (again["switched"], again["dropped"]) == (False, 1)
    assert run_json("migrate", "--drop-old") == {"dropped": 0}


def test_what_it_says(run, store, tmp_path):
    queries = tmp_path / "queries.txt"
    queries.write_text("a fox", encoding="utf-8")
    prepared = run("migrate", "light", "--no-switch", "--queries", queries)
    assert (prepared.code, "Not switched: switch=False" in prepared.err) == (0, True)
    assert "still has the vectors of" in prepared.out
    done = run("migrate", "light", "--drop-old")
    assert done.code == 0
    assert "now has the vectors of" in done.out
    assert "are the same before and after" in done.out
    assert "Deleted: 1" in done.out
    assert run("migrate").code == 2
    missing = run("migrate", "light", "--collection", "nothing")
    assert (missing.code, "there is no collection" in missing.err) == (1, True)


def test_vectors_whose_encoder_is_unknown(run, tmp_path):
    with Collection.open("documents", VectorsOnly(8), store=tmp_path / "s") as collection:
        collection.add_vectors(["ein Hund", Document("", "blank")], [[1.0] * 8, [2.0] * 8])
    withheld = run("migrate", "light", "--store", tmp_path / "s", "--json")
    assert withheld.code == 1
    assert "not compared" in withheld.err
    assert json.loads(withheld.out)["textless"] == 1
    done = run("migrate", "light", "--store", tmp_path / "s", "--leave-out")
    assert "--leave-out migrates without them" in done.err
    with Collection.open("documents", load_encoder("light"), store=tmp_path / "s") as collection:
        assert collection.search("Hund", k=1)[0].text == "ein Hund"


def test_what_was_prepared_can_be_abandoned(run_json, store):
    run_json("migrate", "light", "--no-switch")
    assert run_json("migrate", "--abandon") == {"dropped": 0}
    assert run_json("migrate", "light")["encoded"] == 2
