"""Words that begin alike share rows while a table is learned, and only then."""

import numpy as np
import torch

from rolevec.training.batches import Bags
from rolevec.training.rows import TableRows
from rolevec.training.stems import Families
from rolevec.training.sums import weighted_sums

PIECES = [
    *("<unk>", "query: ", "▁", "▁walk", "▁walks", "▁walked", "▁wall", "walks", "▁tea", "▁οδος"),
    *("s", "▁s", "▁2019", "2019"),
]


def dense(families):
    """Which token is in which family; shape (tokens, families)."""
    matrix = torch.zeros(len(families.offsets) - 1, families.count)
    for token, (start, end) in enumerate(zip(families.offsets, families.offsets[1:], strict=False)):
        matrix[token, families.numbers[start:end]] = 1
    return matrix


def test_a_family_is_of_two_words_or_more():
    members = dense(Families.of(PIECES, (4, 3, 5, 1))).T
    found = {tuple(np.flatnonzero(family).tolist()) for family in members.numpy()}
    assert found == {
        (3, 4, 5, 6, 7),  # "w" and "wal"
        (3, 4, 5, 7),  # "walk"
        (4, 7),  # "walks", at the start of a word and behind it
    }
    assert len(members) == 4
    alone = dense(Families.of(PIECES, ()))
    assert np.flatnonzero(alone.sum(dim=1)).tolist() == [4, 7]


def test_all_of_a_family_learn_from_each():
    families = Families.of(PIECES, (3, 4))
    generator = torch.Generator().manual_seed(1)
    own = torch.randn(len(PIECES), 4, generator=generator)
    rows = TableRows(own.clone(), families)
    bag = Bags(
        np.array([3, 8, 3, 7, 4]),
        np.array([0, 2, 5]),
        np.array([1, 2, 1, 1, 0.5], np.float32),
        np.array([0, 0]),
    )
    tokens, places = np.unique(bag.ids, return_inverse=True)
    assert torch.equal(rows.gathered(tokens), own[tokens])
    gradient = torch.randn(2, 4, generator=generator)
    met = Bags(places, bag.offsets, bag.weights, bag.roles)
    rows.move(tokens, met, gradient, 0.5, 1.0)

    members = dense(families)
    shared = torch.zeros(families.count, 4, requires_grad=True)
    own.requires_grad_(True)
    sums = weighted_sums(own + members @ shared, bag)
    slopes = torch.autograd.grad((sums * gradient).sum(), [own, shared])
    # The first step of row-wise Adagrad is as long for every row that is met.
    expected = [0.5 * 2 * torch.nn.functional.normalize(slope) for slope in slopes]
    whole = own.detach() - expected[0] - members @ expected[1]
    assert np.allclose(rows.whole(), whole.detach(), atol=1e-5)
    assert np.allclose(rows.gathered(np.array([5, 0])), whole[[5, 0]].detach(), atol=1e-5)
    assert not np.allclose(rows.whole()[5], own.detach()[5])  # "walked", which was not met
    assert np.allclose(rows.whole()[9], own.detach()[9])
    assert np.allclose(rows.gathered(np.array([0])), own.detach()[[0]])  # which is of no family
    again = TableRows(torch.zeros_like(own), families)
    again.restore(rows.state())
    assert np.array_equal(again.whole(), rows.whole())
