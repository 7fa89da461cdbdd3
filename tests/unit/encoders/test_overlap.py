"""What tokens of a text say twice is taken out of their sum, as least squares would have it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import cg

from rolevec.encoders.overlap import without_overlap
from rolevec.encoders.rows import PlainRows
from rolevec.encoders.summing import RowSums


def pooled(rows, factors, ridge=1.0):
    return without_overlap((factors @ rows)[None], [(rows[None], factors[None])], ridge)[0]


def problem(rows, factors, ridge):
    """The matrix and the right side of the least squares, and the unit rows."""
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    units = rows / lengths[:, None]
    return units @ units.T + ridge * np.eye(len(rows)), factors * lengths, units


@settings(deadline=None)
@given(seed=st.integers(0, 99), tokens=st.integers(2, 40), ridge=st.sampled_from([0.1, 1.0, 7.0]))
def test_it_is_the_first_step_towards_the_least_squares(seed, tokens, ridge):
    rng = np.random.default_rng(seed)
    rows = rng.normal(0.3, 1, (tokens, 24)).astype(np.float32)
    factors = rng.uniform(0.2, 2, tokens).astype(np.float32)
    matrix, wanted, units = problem(rows, factors, ridge)
    start = wanted / (1 + ridge)
    step, _ = cg(matrix, wanted, x0=start, maxiter=1, rtol=0)
    found = pooled(rows, factors, ridge)
    # The sum itself is the start, times what shrinks it.
    assert found == pytest.approx((1 + ridge) * step @ units, abs=1e-4 * float(np.abs(found).max()))

    def loss(weights):
        vector = weights @ units
        return np.square(units @ vector - wanted).sum() + ridge * vector @ vector

    best = np.linalg.solve(matrix, wanted)
    assert loss(best) <= loss(step) <= loss(start)


def test_rows_without_overlap_stay_as_they_are():
    rows = np.diag([2.0, 3.0, 0.5, 0.0]).astype(np.float32)
    factors = np.array([1, 0.5, 2, 1], np.float32)
    assert np.array_equal(pooled(rows, factors), factors @ rows)
    one = np.ones((1, 5), np.float32)
    assert np.array_equal(pooled(one, factors[:1]), one[0])
    nothing = np.zeros((2, 5), np.float32)
    assert np.array_equal(pooled(nothing, factors[:2]), nothing[0])


def test_what_is_said_twice_counts_less_than_twice():
    river, bank, king = np.eye(3, 8, dtype=np.float32)
    rows = np.stack([river, 0.8 * river + 0.6 * bank, king])
    plain, found = rows.sum(axis=0), pooled(rows, np.ones(3, np.float32))
    cosines = [vector @ rows[[0, 2]].T / np.linalg.norm(vector) for vector in (plain, found)]
    assert cosines[1][0] < cosines[0][0]
    assert cosines[1][1] > cosines[0][1]


@pytest.mark.parametrize("length", [511, 512, 513, 1400])
def test_long_texts_are_taken_in_parts(length):
    rng = np.random.default_rng(2)
    table = rng.normal(0.2, 1, (900, 12)).astype(np.float32)
    ids = rng.integers(0, 900, length)
    weights = rng.uniform(0.5, 1.5, length).astype(np.float32)
    sums = RowSums(PlainRows(table)).means(ids, np.array([0]), weights=weights, ridge=1.0)
    expected = pooled(table[ids], weights) / length
    assert sums[0] == pytest.approx(expected, abs=1e-5)
