import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rolevec import Clusters, cluster
from rolevec.errors import InvalidVector
from rolevec.vectors import unit_rows

METHODS = ["silhouette", "density"]


def blobs(sizes, dim=32, noise=0.15, seed=0):
    """Rows round as many random directions, shuffled, and which direction each is from."""
    rng = np.random.default_rng(seed)
    centres = unit_rows(rng.normal(size=(len(sizes), dim)))
    truth = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return unit_rows(centres[truth] + noise * rng.normal(size=(len(truth), dim))), truth


def same_groups(labels, truth):
    return len(set(zip(labels.tolist(), truth.tolist(), strict=True))) == len(set(truth.tolist()))


@pytest.mark.parametrize("how", [{"n_clusters": 4}, *({"method": m} for m in METHODS)])
def test_what_belongs_together_is_found(how):
    vectors, truth = blobs([60, 30, 50, 40])
    found = cluster(vectors, **how)
    assert same_groups(found.labels, truth)
    assert found.sizes.tolist() == [60, 50, 40, 30]
    assert len(found) == 4
    assert np.allclose(np.linalg.norm(found.centres, axis=1), 1, atol=1e-6)
    means = unit_rows([vectors[found.labels == label].mean(axis=0) for label in range(4)])
    assert np.allclose(found.centres, means, atol=1e-5)


def test_exemplars_are_the_points_nearest_to_the_centre():
    vectors, _ = blobs([30, 20, 10], noise=0.4)
    found = cluster(vectors, 3)
    cosines = vectors @ found.centres.T
    for label, row in enumerate(found.exemplars):
        members = np.flatnonzero(found.labels == label)
        assert row in members
        assert cosines[row, label] == pytest.approx(cosines[members, label].max())
        order = found.members(label)
        assert order[0] == row
        assert sorted(order) == members.tolist()
        assert (np.diff(found.cosines[order]) <= 0).all()
    assert np.allclose(found.cosines, cosines[np.arange(60), found.labels], atol=1e-5)


def test_a_seed_gives_the_same_labels_on_any_number_of_threads(tmp_path):
    vectors, _ = blobs([50] * 5, noise=0.6)
    np.save(tmp_path / "vectors.npy", vectors)
    code = """
import sys, numpy
from rolevec import cluster
vectors = numpy.load(sys.argv[1])
for how in ({"n_clusters": 7}, {"method": "silhouette"}, {"method": "density"}):
    print(cluster(vectors, seed=3, **how).labels.tolist())
"""
    said = set()
    for threads in ("1", "4"):
        environment = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "vectors.npy")],
            capture_output=True, text=True, check=True, env={**os.environ, **environment},
        )  # fmt: skip
        said.add(done.stdout)
    assert len(said) == 1


@pytest.mark.parametrize("how", [{"n_clusters": 3}, *({"method": m} for m in METHODS)])
def test_nothing_and_one(how):
    none = cluster(np.empty((0, 8), np.float32), texts=[], **how)
    assert (len(none), none.labels.shape, none.centres.shape) == (0, (0,), (0, 8))
    assert (none.exemplars.shape, none.keywords, none.sizes.shape) == ((0,), (), (0,))
    one = cluster(np.eye(8)[:1], texts=["alone"], **how)
    assert (one.labels.tolist(), one.exemplars.tolist()) == ([0], [0])
    assert np.allclose(one.centres, np.eye(8)[:1])
    assert one.keywords == (("alone",),)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [2, 3, 4, 5, 9])
def test_a_handful_has_no_number_to_be_found_and_still_an_answer(method, count):
    found = cluster(np.eye(16)[:count], method=method)
    assert 1 <= len(found) <= count
    assert found.sizes.sum() == count


def test_fewer_points_than_clusters_are_a_cluster_each():
    found = cluster(np.eye(5)[:3], 10)
    assert found.labels.tolist() == [0, 1, 2]
    assert found.exemplars.tolist() == [0, 1, 2]


@pytest.mark.parametrize("how", [{"n_clusters": 4}, *({"method": m} for m in METHODS)])
def test_duplicates_stay_together(how):
    vectors = np.repeat(np.eye(16)[:3], [40, 30, 20], axis=0)
    found = cluster(vectors, **how)
    assert found.sizes.tolist() == [40, 30, 20]
    assert found.exemplars.tolist() == [0, 40, 70]


@pytest.mark.parametrize("how", [{"n_clusters": 4}, *({"method": m} for m in METHODS)])
def test_equal_points_are_one_cluster(how):
    found = cluster(np.ones((50, 8)), **how)
    assert found.labels.tolist() == [0] * 50
    assert np.allclose(found.cosines, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(bad):
    vectors = np.eye(4)
    vectors[2, 1] = bad
    with pytest.raises(InvalidVector, match="first at 2"):
        cluster(vectors, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_clusters": 0}, "n_clusters=0"),
        ({"n_clusters": True}, "n_clusters=True"),
        ({"n_clusters": 2.0}, "n_clusters=2.0"),
        ({"method": "elbow"}, "silhouette, density"),
        ({"keep_noise": True}, "density"),
        ({"texts": ["one"]}, "4 vectors, 1 texts"),
        ({"texts": "four"}, "one for each"),
        ({"groups": ["de"]}, "1 groups"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        cluster(np.eye(4), **arguments)


def test_noise_is_kept_on_request():
    vectors, truth = blobs([60, 50], noise=0.05)
    # Six points, each at a right angle to the others and to both clusters.
    means = [vectors[truth == 0].mean(axis=0), vectors[truth == 1].mean(axis=0)]
    away = np.linalg.svd(means)[2][2:8]
    vectors = np.vstack([vectors, away])
    kept = cluster(vectors, method="density", keep_noise=True)
    assert same_groups(kept.labels[:110], truth)
    assert set(kept.labels[110:].tolist()) == {-1}
    assert kept.sizes.tolist() == [60, 50]
    assert sorted(kept.members(-1).tolist()) == list(range(110, 116))
    given = cluster(vectors, method="density")
    assert (given.labels >= 0).all()
    assert given.sizes.sum() == 116


def test_clusters_cut_across_groups():
    topics, truth = blobs([40, 40, 40], noise=0.1)
    rng = np.random.default_rng(2)
    languages = rng.integers(0, 4, len(truth))
    shift = unit_rows(rng.normal(size=(4, 32)))
    vectors = unit_rows(topics + 3 * shift[languages])
    assert not same_groups(cluster(vectors, 3).labels, truth)
    assert same_groups(cluster(vectors, 3, groups=languages.tolist()).labels, truth)


def test_groups_of_one_stay_finite():
    vectors, _ = blobs([10, 10])
    found = cluster(vectors, 2, groups=list(range(20)))
    assert np.isfinite(found.cosines).all()


def test_large_inputs_are_sampled_and_every_point_is_labelled():
    vectors, truth = blobs([9000, 8000, 7000], dim=8, noise=0.1)
    for how in ({"n_clusters": 3}, {"method": "density"}, {"method": "silhouette"}):
        found = cluster(vectors, **how)
        assert same_groups(found.labels, truth)


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 30),
    clusters=st.one_of(st.none(), st.integers(1, 12)),
    seed=st.integers(0, 2**31),
    decimals=st.integers(0, 2),
)
def test_every_answer_is_whole(count, clusters, seed, decimals):
    """Few decimals make duplicates."""
    rng = np.random.default_rng(seed)
    vectors = np.round(rng.normal(size=(count, 3)), decimals)
    vectors[:, 2] += 10
    found = cluster(vectors, clusters, seed=seed)
    assert isinstance(found, Clusters)
    assert found.labels.shape == (count,)
    assert found.sizes.sum() == count
    assert (found.sizes > 0).all()
    assert (np.diff(found.sizes) <= 0).all()
    if clusters is not None:
        assert len(found) <= clusters
    assert found.labels[found.exemplars].tolist() == list(range(len(found)))
