"""Slopes that are carried back to rows by hand are those of automatic differentiation."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from rolevec.encoders.rows import PlainRows
from rolevec.encoders.summing import RowSums
from rolevec.training.batches import Bags
from rolevec.training.learned import LearnedMatrix
from rolevec.training.sums import Vectors, pooled, row_slopes, weighted_sums


def assert_near(found, expected):
    """Within what bfloat16 resolves."""
    assert torch.allclose(found, expected, atol=0.02 * expected.abs().max().item())


@pytest.mark.parametrize("mapped", [False, True])
def test_a_step_goes_down_the_slope_of_every_row(mapped):
    generator = torch.Generator().manual_seed(3)
    table = torch.randn(12, 6, generator=generator).requires_grad_(True)
    bag = Bags(
        np.array([3, 1, 4, 1, 5, 9, 2, 6]),
        np.array([0, 3, 6, 8]),
        np.array([1, 2, 1, 1, 1.5, 1, 1, 1], np.float32),
        np.array([7, 8, 7]),
    )
    queries = torch.tensor([0, 2])
    matrix = LearnedMatrix("m", torch.randn(6, 6, generator=generator), 0.1) if mapped else None
    slopes = torch.randn(3, 6, generator=generator)
    units = normalize(weighted_sums(table, bag))
    if matrix:
        moved = units[queries] + units[queries] @ matrix.values
        units = units.index_copy(0, queries, normalize(moved))
    expected = torch.autograd.grad((units * slopes).sum(), table)[0]
    vectors = Vectors(weighted_sums(table.detach(), bag), queries, matrix)
    assert_near(vectors.rows, units.detach())
    found = torch.zeros_like(expected)
    touched = 0
    for rows, part in row_slopes(bag, vectors.back(slopes.clone())):
        found[rows] = part
        touched += len(rows)
    assert touched == 7
    assert_near(found, expected)


def test_sums_without_overlap_are_those_of_the_encoder(monkeypatch):
    rng = np.random.default_rng(4)
    rows = torch.from_numpy(rng.normal(0.2, 1, (50, 8)).astype(np.float32))
    rows[7] = 0
    offsets = np.array([0, 1, 10, 40, 80, 300])
    weights = rng.uniform(0.5, 2, 300).astype(np.float32)
    bag = Bags(rng.integers(0, 50, 300), offsets, weights, np.zeros(5, np.int64))
    monkeypatch.setattr("rolevec.training.sums._ROWS", 64)
    sums, weighed = pooled(rows, bag, 0.7)
    encoder = RowSums(PlainRows(rows.numpy()))
    means = encoder.means(bag.ids, offsets[:-1], weights=weights, ridge=0.7)
    assert np.allclose(sums.numpy(), means * np.diff(offsets)[:, None], atol=1e-4)
    assert torch.allclose(weighted_sums(rows, weighed), sums, atol=1e-4)
    assert not np.allclose(sums.numpy(), weighted_sums(rows, bag).numpy(), atol=1e-1)


def test_rows_are_moved_in_pieces_as_they_are_at_once(monkeypatch):
    rng = np.random.default_rng(4)
    ids = rng.integers(0, 50, 300)
    bag = Bags(ids, np.arange(0, 301, 10), rng.random(300, np.float32), np.zeros(30, np.int64))
    gradient = torch.from_numpy(rng.random((30, 8), np.float32))
    whole = list(row_slopes(bag, gradient))
    monkeypatch.setattr("rolevec.training.sums._ROWS", 7)
    pieces = list(row_slopes(bag, gradient))
    assert len(whole) == 1 < len(pieces)
    for one, other in zip(whole[0], map(torch.cat, zip(*pieces, strict=True)), strict=True):
        assert torch.equal(one, other)
