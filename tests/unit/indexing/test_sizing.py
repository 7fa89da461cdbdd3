"""Sizing: the formulas at known points, monotone everywhere else."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolevec.errors import UnknownModel
from rolevec.indexing.rates import Cost, Rates, engine_costs, known_rates, measured_rates
from rolevec.indexing.sizing import MOST_POINTS, QUANTIZATIONS, Request, plan, size
from rolevec.qdrant.identity import About
from rolevec.testing import FakeEncoder

RATES = Rates("m", 384, 1000.0, False, Cost(1e-4, 1e-7), Cost(1e-5, 1e-7), "made up")


def values(request, rates=RATES):
    return {line.name: line.value for line in plan(request, rates)}


@pytest.mark.parametrize(
    ("points", "dim", "kind", "gigabytes"),
    [
        # Qdrant's documentation: 1 million x 1024 take 6,144,000,000 bytes.
        (10**6, 1024, "none", 6.144),
        (10**9, 384, "none", 2304),
        (10**9, 384, "int8", 384 + 161),
        (10**9, 384, "turbo4", 192 + 161),
        (10**9, 1024, "binary", 128 + 161),
    ],
)
def test_memory_that_is_known(points, dim, kind, gigabytes):
    assert values(Request(points, dim, kind))["memory, one copy"] == gigabytes * 1e9


def test_hours_are_points_times_rates():
    found = values(Request(1024, 100, tokens=3600, replicas=2))
    assert found["encoding, one core"] == pytest.approx(1024 / 1000)
    assert found["writing, one core"] == pytest.approx(1024 * 1.1e-4 * 2 / 3600)
    assert found["building the index, one core"] == pytest.approx(1024 * 2e-5 * 10 * 2 / 3600)


def test_nothing_takes_nothing():
    found = values(Request(0, 384, replicas=3))
    assert found.pop("nodes") == 3
    assert set(found.values()) == {0}


def test_a_gpu_is_named():
    rates = Rates("m", 384, 1000.0, True, Cost(1e-4, 0), Cost(1e-5, 0), "made up")
    assert "encoding, one GPU" in values(Request(10, 384), rates)


REQUESTS = st.builds(
    dict,
    points=st.integers(0, MOST_POINTS // 2),
    dim=st.integers(1, 10_000),
    quantization=st.sampled_from(QUANTIZATIONS),
    on_disk=st.booleans(),
    replicas=st.integers(1, 9),
    text_bytes=st.integers(1, 10_000),
    tokens=st.integers(1, 10_000),
)


@given(REQUESTS, st.sampled_from(["points", "dim", "replicas", "text_bytes", "tokens"]))
def test_more_never_takes_less(request_, name):
    few = values(Request(**request_))
    many = values(Request(**{**request_, name: request_[name] + 1}))
    assert all(many[line] >= value for line, value in few.items())


@given(REQUESTS)
def test_fewer_bits_and_the_disk_save_memory(request_):
    kinds = [
        values(Request(**{**request_, "quantization": kind}))["memory, one copy"]
        for kind in ("int8", "turbo4", "binary")
    ]
    assert kinds == sorted(kinds, reverse=True)
    whole = [
        values(Request(**{**request_, "quantization": "none", "dim": 200, "on_disk": on_disk}))
        for on_disk in (False, True)
    ]
    assert whole[0]["memory, one copy"] >= whole[1]["memory, one copy"]
    assert whole[0]["disk, one copy"] == whole[1]["disk, one copy"]


@given(REQUESTS)
def test_nodes_hold_it(request_):
    found = values(Request(**request_, node_memory=10**10, node_disk=10**11))
    assert found["nodes"] * 10**10 >= found["memory, all copies"] * (1 - 1e-9)
    assert found["nodes"] * 10**11 >= found["disk, all copies"] * (1 - 1e-9)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"points": -1}, "points=-1"),
        ({"points": MOST_POINTS + 1}, "points="),
        ({"dim": 0}, "dim=0"),
        ({"replicas": 0}, "replicas=0"),
        ({"cores": -2}, "cores=-2"),
        ({"quantization": "int4"}, "int4"),
    ],
)
def test_what_makes_no_sense(options, word):
    with pytest.raises(ValueError, match=word):
        Request(**{"points": 1, "dim": 1, **options})


def test_sizes_are_read_by_people():
    shown = [size(n) for n in (0, 999, 1000, 999_999, 1.536e12, 10**27)]
    assert shown == ["0 B", "999 B", "1 kB", "1 MB", "1.54 TB", "1,000 YB"]
    assert all(size(a) != "" for a in itertools.chain(range(2000), [1e40]))


def test_the_rates_of_the_package():
    light = known_rates("light")
    assert light.dim == 1024
    assert light.tokens_per_second > 0
    assert light.write.seconds(384) > 0
    assert light.build.seconds(384) > 0
    assert light.origin.startswith("measured on ")
    with pytest.raises(UnknownModel, match="--measure"):
        known_rates("org/nobody")


def test_this_machine_is_measured(monkeypatch):
    encoder = FakeEncoder()
    write, build = engine_costs(About(encoder.fingerprint), 100)
    assert write.seconds(384) > 0
    assert build.seconds(384) >= 0
    monkeypatch.setattr("rolevec.indexing.rates.engine_costs", lambda about: (write, build))
    rates = measured_rates(encoder, ["some text", "and another"], seconds=0.01)
    assert (rates.model, rates.dim, rates.gpu) == (encoder.name, encoder.dim, False)
    assert rates.tokens_per_second > 0
