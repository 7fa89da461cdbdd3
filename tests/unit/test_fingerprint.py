"""Which changes make vectors incomparable."""

from dataclasses import replace

import pytest

from rolevec.fingerprint import Fingerprint

BASE = Fingerprint("m", "r1", 8, {"query": "q: ", "document": "d: "}, "mean")


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"},
        {"revision": "r2"},
        {"dim": 4},
        {"prompts": {"query": "q: "}},
        {"pooling": "cls"},
        {"normalized": False},
    ],
)
def test_each_field_counts(change):
    other = replace(BASE, **change)
    assert list(BASE.differences(other)) == list(change)
    assert other.digest != BASE.digest


def test_round_trip_ignores_the_order_of_prompts_and_later_fields():
    data = {**BASE.to_dict(), "prompts": {"document": "d: ", "query": "q: "}, "later": 1}
    again = Fingerprint.from_dict(data)
    assert again.digest == BASE.digest
    assert not again.differences(BASE)


def test_a_renamed_folder_with_the_same_weights_is_the_same_encoder():
    here = replace(BASE, revision="sha256:ab")
    assert not here.differences(replace(here, model="renamed"))
    assert here.differences(replace(here, model="renamed", revision="sha256:cd"))
