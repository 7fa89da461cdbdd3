import numpy as np
import pytest

from rolevec import Collection
from rolevec.encoders.foreign import VectorsOnly
from rolevec.qdrant.backends import edge


def test_a_large_graph_is_searched_with_more_candidates():
    small, large = edge.candidates(1000, 2, 10), edge.candidates(1_000_000, 2, 10)
    assert 10 < small < edge.candidates(200_000, 2, 10) < large
    # What counts is the size of a graph, and there is one in each segment.
    assert edge.candidates(1_000_000, 11, 10) == small
    # As many as there are hits to give, at least.
    for points, segments in ((0, 1), (1000, 2), (1_000_000, 2), (1_000_000, 11)):
        assert edge.candidates(points, segments, 5000) == 5000


@pytest.mark.parametrize("least", [1, 1 << 30])
def test_either_way_the_nearest_are_found(least, tmp_path, monkeypatch):
    monkeypatch.setattr(edge, "_LARGER_EF", ((least, 600),))
    rows = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    with Collection.open("documents", VectorsOnly(8), store=tmp_path) as collection:
        collection.add_vectors([f"text {i}" for i in range(300)], rows)
        found = [collection.search_by_vector(row, k=1)[0].text for row in rows[:20]]
    assert found == [f"text {i}" for i in range(20)]


def test_a_relative_store_stays_where_it_is_when_the_process_moves(tmp_path, monkeypatch):
    rows = np.eye(8, dtype=np.float32)
    texts = [f"text {i}" for i in range(8)]
    monkeypatch.chdir(tmp_path)
    collection = Collection.open("documents", VectorsOnly(8), store="here")
    collection.add_vectors(texts[:4], rows[:4])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    collection.add_vectors(texts[4:], rows[4:])
    collection.optimize()
    collection.close()
    assert not list((tmp_path / "elsewhere").iterdir())
    with Collection.open("documents", VectorsOnly(8), store=tmp_path / "here") as again:
        assert [again.search_by_vector(row, k=1)[0].text for row in rows] == texts
