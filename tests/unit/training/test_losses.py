"""Losses and slopes that are made by hand are those of plain formulas and automatic gradients."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from rolevec.training import losses
from rolevec.training.learned import LearnedMatrix
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


def test_unit_rows_have_the_gradient_of_a_division_by_the_length():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(5, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(unit, rows)
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1e-20, 0.0]], requires_grad=True)
    assert torch.equal(unit(rows), normalize(rows))
