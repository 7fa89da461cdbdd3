"""Losses over a batch of pairs and their slopes, each as fast as a CPU allows.

The slopes are made along with the loss and added in place. Automatic differentiation would give
each slice of dimensions or rows a matrix of zeros to stand in, which takes longer than the sums.
"""

from __future__ import annotations

import torch

from rolevec.training.negatives import Positions
from rolevec.training.unit import Units

# Rows of the similarity matrix that are worked on at once, so that they stay in the cache.
_BLOCK = 512


class Slopes:
    """The unit vectors of n pairs, and how the loss so far changes with them.

    Args:
        left: shape (n, dim).
        right: shape (n, dim); row i belongs to ``left[i]``.

    Attributes:
        both: sums of the slopes along ``left`` and below them along ``right``; shape (2n, dim).
        to_left: the first half of them. ``to_right`` is the second.
    """

    def __init__(self, left: torch.Tensor, right: torch.Tensor) -> None:
        self.left, self.right = left, right
        self.both = left.new_zeros(2 * len(left), left.shape[1])
        self.to_left, self.to_right = self.both.tensor_split(2)

    def info_nce(
        self, scale: float, masked: tuple[Positions, Positions], weight: float = 1.0
    ) -> float:
        """Symmetric InfoNCE: each left must pick its right among all, and the other way round.

        Oord, Li, Vinyals, "Representation learning with contrastive predictive coding" (2018), over
        cosines times ``scale``. The similarities are computed in bfloat16, whose error is well
        below what a temperature of 1/20 resolves; the softmax is in float32.

        Args:
            scale: factor on the cosine.
            masked: cells (i, j) left out; see `false_negatives`.
            weight: of this loss in the sum.

        Returns:
            The loss times its weight; the slopes are added to those so far.
        """
        cells = tuple(torch.from_numpy(part) for part in masked)
        return _both_ways(self, scale, cells, None, weight)

    def nested(
        self, dim: int, few: int, scale: float, masked: tuple[Positions, Positions], weight: float
    ) -> float:
        """`info_nce` over the first ``dim`` dimensions of the first ``few`` pairs."""
        sides = (self.left[:few, :dim], self.right[:few, :dim])
        units = [Units.of(side) for side in sides]
        part = Slopes(units[0].rows, units[1].rows)
        loss = part.info_nce(scale, masked, weight)
        self.to_left[:few, :dim] += units[0].back(part.to_left)
        self.to_right[:few, :dim] += units[1].back(part.to_right)
        return loss

    def neighbourhoods(
        self, teacher: torch.Tensor, scale: float, teacher_scale: float, weight: float = 1.0
    ) -> float:
        """Cross entropy between a teacher's neighbours of each text and ours, itself left out.

        InfoNCE knows one right answer and pushes everything else away, a text on the same subject
        like one on another. A teacher that has read more tells them apart; only its ranking of the
        other texts is taken over, so the dimensions may differ (relational distillation: Park, Kim,
        Lu, Cho, CVPR 2019).

        Args:
            teacher: shape (n, d), the teacher's unit vectors of the n pairs, no two texts equal.
            scale: factor on our cosine.
            teacher_scale: factor on the teacher's cosine.
            weight: of this loss in the sum.

        Returns:
            The loss times its weight; the slopes are added to those so far.
        """
        itself = (torch.arange(len(self.left)),) * 2
        return _both_ways(self, scale, itself, _neighbours(teacher, teacher_scale), weight)

    def pick(self, places: torch.Tensor) -> Slopes:
        """Some of the pairs, with slopes of their own."""
        return Slopes(self.left[places], self.right[places])

    def put_back(self, places: torch.Tensor, part: Slopes) -> None:
        """Add the slopes of what `pick` gave."""
        self.to_left.index_add_(0, places, part.to_left)
        self.to_right.index_add_(0, places, part.to_right)


def _neighbours(teacher: torch.Tensor, scale: float) -> list[torch.Tensor]:
    """What each pair of texts counts for either of them, added up; blocks of rows of (n, n)."""
    seen = teacher.bfloat16()
    blocks = []
    for start in range(0, len(seen), _BLOCK):
        near = (seen[start : start + _BLOCK] @ seen.T).float().sub_(1).mul_(scale).exp_()
        near.diagonal(start).zero_()
        blocks.append(near)
    # Cosines are symmetric, so the sums of the rows are those of the columns too.
    shares = torch.cat([near.sum(dim=1) for near in blocks]).reciprocal()
    for start, near in zip(range(0, len(seen), _BLOCK), blocks, strict=True):
        near.mul_(shares[start : start + _BLOCK, None] + shares)
    return blocks


def _both_ways(
    sides: Slopes,
    scale: float,
    masked: tuple[torch.Tensor, ...],
    asked: list[torch.Tensor] | None,
    weight: float,
) -> float:
    """Cross entropy of the softmax over rows and of that over columns, in one pass.

    Both softmaxes need the same exponentials, and the gradient of the scores is
    (p_row + p_column - asked) / 2n, so the matrix is made once and turned into the gradient in
    place, in blocks of rows. ``asked`` is what each cell is asked for in both directions together;
    None asks for the diagonal alone, twice.
    """
    one, other = sides.left.bfloat16(), sides.right.bfloat16()
    scaled = (sides.left * scale).bfloat16()
    n, starts = len(one), range(0, len(one), _BLOCK)
    blocks, by_row, reached = [], [], torch.zeros(())
    by_column = torch.zeros(n)
    for number, start in enumerate(starts):
        # A cosine is at most 1, so this keeps every exponent below zero.
        shares = (scaled[start : start + _BLOCK] @ other.T).float().sub_(scale)
        if asked is None:
            reached += 2 * shares.diagonal(start).sum()
        else:
            reached += torch.dot(asked[number].ravel(), shares.ravel())
        inside = (masked[0] >= start) & (masked[0] < start + _BLOCK)
        shares.exp_()[masked[0][inside] - start, masked[1][inside]] = 0
        by_row.append(shares.sum(dim=1))
        by_column += shares.sum(dim=0)
        blocks.append(shares)
    rows = torch.cat(by_row)
    loss = (rows.log().sum() + by_column.log().sum() - reached) / (2 * n)
    # What a slope is times, put into the sums, which are small.
    share = weight * scale / (2 * n)
    rows, by_column = share / rows, share / by_column
    for number, (start, shares) in enumerate(zip(starts, blocks, strict=True)):
        part = slice(start, start + _BLOCK)
        shares.mul_(rows[part, None] + by_column)
        if asked is None:
            shares.diagonal(start).sub_(2 * share)
        else:
            shares.sub_(asked[number], alpha=share)
        slope = shares.bfloat16()
        sides.to_left[part] += slope @ other
        sides.to_right += slope.T @ one[part]
    return float(loss) * weight
