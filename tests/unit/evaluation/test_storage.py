"""Ways of storing against exact search, over the real engine."""

import json

import numpy as np
import pytest

from rolevec import Collection
from rolevec.errors import RolevecError
from rolevec.evaluation import evaluate_storage
from rolevec.qdrant import storage_choices
from rolevec.ranking.storage import StorageChoice, StorageTrial
from rolevec.testing import FakeEncoder
from rolevec.vectors import unit_rows

RNG = np.random.default_rng(0)
VECTORS = unit_rows(RNG.normal(size=(60, 8)))
QUERIES = unit_rows(RNG.normal(size=(12, 8)))


def exact(queries, k):
    return np.argsort(-(queries @ VECTORS.T), axis=1)[:, :k].tolist()


def half(queries, k):
    return [[*row[: k // 2], *range(-1, -1 - k + k // 2, -1)] for row in exact(queries, k)]


def trial(*choices):
    return StorageTrial(VECTORS, QUERIES, [StorageChoice(*choice) for choice in choices])


def test_recall_and_what_to_take(tmp_path):
    report = evaluate_storage(
        trial(("full", 32, exact), ("small", 8, exact, "quantization='int8'"), ("bad", 1, half))
    )
    assert [row.recall for row in report.rows] == [1, 1, 0.5]
    assert report.chosen.name == "small"
    assert "quantization='int8'" in report.recommendation
    assert "4.0 times less than full" in report.recommendation
    for ending in ("json", "md", "png"):
        report.save(tmp_path / f"r.{ending}")
    assert json.loads((tmp_path / "r.json").read_text())["recommendation"] == report.recommendation
    assert "| small | 8 | 100.0 |" in (tmp_path / "r.md").read_text()
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_good_enough_and_nothing_to_measure():
    report = evaluate_storage(trial(("bad", 1, half)), k=4)
    assert report.chosen is None
    assert "stay with full vectors" in report.recommendation
    with pytest.raises(ValueError, match="target=2"):
        evaluate_storage(trial(), target=2)
    with pytest.raises(ValueError, match="no queries"):
        evaluate_storage(StorageTrial(VECTORS, QUERIES[:0], []))


@pytest.fixture(scope="module")
def collection():
    encoder = FakeEncoder()
    with Collection.open("texts", encoder, store=":memory:") as opened:
        opened.add([f"text number {i} about {i % 7} things" for i in range(400)])
        yield opened


def test_the_choices_over_the_engine(collection):
    report = evaluate_storage(storage_choices(collection, query_count=20), k=5)
    found = {row.name: row for row in report.rows}
    dim = collection.dim
    assert found[f"{dim}, float32"].recall == 1
    assert found[f"{dim}, int8, rescored"].recall >= found[f"{dim}, binary, not rescored"].recall
    assert found[f"{dim}, binary, rescored"].bytes_per_vector == dim // 8
    assert found[f"{dim // 4}, float32"].bytes_per_vector == dim
    graphs = [row for name, row in found.items() if "HNSW" in name]
    assert len(graphs) == 6
    assert all(row.recall > 0.5 for row in graphs)
    assert (report.documents, report.queries) == (400, 20)


def test_own_queries_and_a_sample(collection):
    found = storage_choices(collection, ["text number 3", "", "things"], sample=50)
    assert (len(found.vectors), len(found.queries)) == (50, 2)
    with (
        Collection.open("none", FakeEncoder(), store=":memory:") as empty,
        pytest.raises(RolevecError, match="empty"),
    ):
        storage_choices(empty)
