"""Unit rows, Matryoshka cuts and Cohere's packed types."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolevec.errors import InvalidVector
from rolevec.vectors import as_matrix, cut_dimensions, pack, unit_rows


@given(
    st.integers(1, 8).flatmap(
        lambda dim: st.lists(
            st.lists(st.floats(-(2.0**60), 2.0**60, width=32), min_size=dim, max_size=dim),
            min_size=1,
            max_size=6,
        )
    )
)
def test_rows_have_length_one_or_are_refused(rows):
    lengths = np.linalg.norm(np.asarray(rows, dtype=np.float64), axis=1)
    try:
        got = unit_rows(rows)
    except InvalidVector:
        assert lengths.min() < 1.1e-6
        return
    assert got.dtype == np.float32
    assert np.allclose(np.linalg.norm(got.astype(np.float64), axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite_is_refused_with_its_position(value):
    with pytest.raises(InvalidVector, match="first at 1"):
        unit_rows([[1.0, 2.0], [value, 1.0]])


def test_wrong_dimension_names_both():
    with pytest.raises(InvalidVector, match=r"dimension 2; expected 3"):
        as_matrix([[1.0, 2.0]], 3)


def test_empty_keeps_its_dimension():
    assert as_matrix([], 7).shape == (0, 7)


def test_cut_restores_length_and_direction():
    cut = cut_dimensions(unit_rows([[3.0, 4.0, 12.0]]), 2)
    assert np.allclose(cut, [[0.6, 0.8]], atol=1e-6)


@pytest.mark.parametrize("dimensions", [0, 4, -1])
def test_cut_outside_the_model_is_refused(dimensions):
    with pytest.raises(InvalidVector, match="dimension 3"):
        cut_dimensions(unit_rows([[1.0, 2.0, 2.0]]), dimensions)


def test_bits_are_packed_most_significant_first():
    row = np.array([[1, -1, 1, 1, -1, -1, -1, 1]], dtype=np.float32) / np.sqrt(np.float32(8))
    assert pack(row, "ubinary").tolist() == [[0b10110001]]
    assert pack(row, "binary").tolist() == [[0b10110001 - 128]]
    assert pack(row, "binary").dtype == np.int8


def test_bytes_keep_cosine_order():
    rng = np.random.default_rng(0)
    rows = unit_rows(rng.normal(size=(200, 64)))
    exact = rows @ rows[0]
    for packing, shift in (("int8", 0), ("uint8", 128)):
        steps = pack(rows, packing).astype(np.float64) - shift
        assert np.corrcoef(exact, steps @ steps[0])[0, 1] > 0.999


def test_bits_need_whole_bytes():
    with pytest.raises(InvalidVector, match="divisible by 8"):
        pack(unit_rows([[1.0, 2.0]]), "ubinary")
