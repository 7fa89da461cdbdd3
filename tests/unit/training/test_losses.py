"""Losses and slopes that are made by hand are those of plain formulas and automatic gradients."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from rolevec.training import losses
from rolevec.training.batches import Bags
from rolevec.training.learned import LearnedMatrix
from rolevec.training.learner import _Vectors, row_slopes, weighted_sums
from rolevec.training.losses import Slopes
from rolevec.training.unit import Units, unit

SCALE = 20.0
# More than one block of rows, the last of them not full.
PAIRS = 90
MASKED = (np.array([0, 3, 70]), np.array([5, 1, 2]))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(losses, "_BLOCK", 32)


@pytest.fixture
def sides():
    generator = torch.Generator().manual_seed(0)
    made = [normalize(torch.randn(PAIRS, 16, generator=generator)) for _ in range(2)]
    return [side.requires_grad_(True) for side in made]


def plain_info_nce(left, right, masked):
    scores = normalize(left) @ normalize(right).T * SCALE
    cells = tuple(torch.from_numpy(part) for part in masked)
    scores = scores.index_put(cells, torch.tensor(-torch.inf))
    target = torch.arange(len(left))
    return (cross_entropy(scores, target) + cross_entropy(scores.T, target)) / 2


def assert_near(found, expected):
    """Within what bfloat16 resolves."""
    assert torch.allclose(found, expected, atol=0.02 * expected.abs().max().item())


def assert_same_slopes(found, plain, sides):
    for slope, side, wanted in zip(
        (found.to_left, found.to_right), sides, torch.autograd.grad(plain, sides), strict=True
    ):
        # Along the vector itself nothing changes, once it is made a unit again.
        assert_near(Units.of(side.detach()).back(slope.clone()), wanted)


def test_info_nce_is_two_cross_entropies(sides):
    plain = plain_info_nce(*sides, MASKED)
    found = Slopes(*(side.detach() for side in sides))
    assert found.info_nce(SCALE, MASKED) == pytest.approx(plain.item(), rel=0.01)
    assert_same_slopes(found, plain, sides)


def test_losses_add_up(sides):
    few, dim = 40, 8
    inside = tuple(part[:2] for part in MASKED)
    plain = plain_info_nce(*sides, MASKED) + 0.3 * plain_info_nce(
        *(side[:few, :dim] for side in sides), inside
    )
    found = Slopes(*(side.detach() for side in sides))
    loss = found.info_nce(SCALE, MASKED) + found.nested(dim, few, SCALE, inside, 0.3)
    assert loss == pytest.approx(plain.item(), rel=0.01)
    assert_same_slopes(found, plain, sides)


def test_a_text_is_not_its_own_neighbour(sides):
    seen = normalize(torch.randn(PAIRS, 12, generator=torch.Generator().manual_seed(1)))
    apart = ~torch.eye(PAIRS, dtype=torch.bool)
    near = seen @ seen.T * 16
    scores = normalize(sides[0]) @ normalize(sides[1]).T * SCALE
    plain = torch.zeros(())
    for i in range(PAIRS):
        share = near[i][apart[i]].softmax(dim=0)
        for row in (scores[i], scores[:, i]):
            plain = plain - (share * row[apart[i]].log_softmax(dim=0)).sum() / (2 * PAIRS)
    found = Slopes(*(side.detach() for side in sides))
    assert found.neighbourhoods(seen, SCALE, 16.0) == pytest.approx(plain.item(), rel=0.02)
    assert_same_slopes(found, plain, sides)


def test_slopes_of_some_pairs_go_back_to_their_places(sides):
    whole = Slopes(*(side.detach() for side in sides))
    places = torch.tensor([4, 80, 7])
    part = whole.pick(places)
    assert torch.equal(part.right, whole.right[places])
    part.to_left += 1
    part.to_right += 2
    whole.put_back(places, part)
    whole.put_back(places, part)
    assert whole.to_left.sum() == 2 * 3 * 16
    assert torch.equal(whole.to_right[80], torch.full((16,), 4.0))


def test_a_matrix_learns_from_what_goes_through_it():
    generator = torch.Generator().manual_seed(2)
    rows, slopes = torch.randn(20, 6, generator=generator), torch.randn(20, 4, generator=generator)
    start = torch.randn(6, 4, generator=generator)
    rows.requires_grad_(True)
    values = start.clone().requires_grad_(True)
    to_rows, to_values = torch.autograd.grad((rows @ values * slopes).sum(), (rows, values))
    matrix = LearnedMatrix("m", start, 0.1)
    assert_near(matrix.times(rows.detach()), rows.detach() @ start)
    assert_near(matrix.back(rows.detach(), slopes), to_rows)
    matrix.back(rows.detach(), slopes)
    assert matrix.values.grad is not None
    assert_near(matrix.values.grad, 2 * to_values)


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
    vectors = _Vectors(weighted_sums(table.detach(), bag), queries, matrix)
    assert_near(vectors.rows, units.detach())
    found = torch.zeros_like(expected)
    touched = 0
    for rows, part in row_slopes(bag, vectors.back(slopes.clone())):
        found[rows] = part
        touched += len(rows)
    assert touched == 7
    assert_near(found, expected)


def test_rows_are_moved_in_pieces_as_they_are_at_once(monkeypatch):
    rng = np.random.default_rng(4)
    ids = rng.integers(0, 50, 300)
    bag = Bags(ids, np.arange(0, 301, 10), rng.random(300, np.float32), np.zeros(30, np.int64))
    gradient = torch.from_numpy(rng.random((30, 8), np.float32))
    whole = list(row_slopes(bag, gradient))
    monkeypatch.setattr("rolevec.training.learner._ROWS", 7)
    pieces = list(row_slopes(bag, gradient))
    assert len(whole) == 1 < len(pieces)
    for one, other in zip(whole[0], map(torch.cat, zip(*pieces, strict=True)), strict=True):
        assert torch.equal(one, other)


def test_unit_rows_have_the_gradient_of_a_division_by_the_length():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(5, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(unit, rows)
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1e-20, 0.0]], requires_grad=True)
    assert torch.equal(unit(rows), normalize(rows))
