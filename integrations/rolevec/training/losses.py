"""Losses over a batch of pairs, each as fast as a CPU allows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from rolevec.training.unit import unit

_BLOCK = 1024


def info_nce(
    left: torch.Tensor,
    right: torch.Tensor,
    scale: float,
    masked: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]],
) -> torch.Tensor:
    """Symmetric InfoNCE: each left must pick its right among all rights, and the other way round.

    Oord, Li, Vinyals, "Representation learning with contrastive predictive coding" (2018), over
    cosines times ``scale``. The similarities are computed in bfloat16, whose error is well below
    what a temperature of 1/20 resolves; the softmax is in float32.

    Args:
        left: shape (n, dim), of any length.
        right: shape (n, dim); row i belongs to ``left[i]``.
        scale: factor on the cosine.
        masked: cells (i, j) left out; see `false_negatives`.
    """
    cells = tuple(torch.from_numpy(part) for part in masked)
    apply: Any = _BothWays.apply
    loss: torch.Tensor = apply(unit(left), unit(right), scale, cells, None)
    return loss


def neighbourhoods(
    left: torch.Tensor,
    right: torch.Tensor,
    teacher: torch.Tensor,
    scale: float,
    teacher_scale: float,
) -> torch.Tensor:
    """Cross entropy between a teacher's neighbours of each text and ours, itself left out.

    InfoNCE knows one right answer and pushes everything else away, a text on the same subject like
    one on another. A teacher that has read more tells them apart; only its ranking of the other
    texts is taken over, so the dimensions may differ (relational distillation: Park, Kim, Lu, Cho,
    CVPR 2019).

    Args:
        left: shape (n, dim), of any length.
        right: shape (n, dim); row i belongs to ``left[i]``.
        teacher: shape (n, d), the teacher's unit vectors of the n pairs, no two texts equal.
        scale: factor on our cosine.
        teacher_scale: factor on the teacher's cosine.
    """
    apply: Any = _BothWays.apply
    itself = (torch.arange(len(left)),) * 2
    weights = _neighbours(teacher, teacher_scale)
    loss: torch.Tensor = apply(unit(left), unit(right), scale, itself, weights)
    return loss


def _neighbours(teacher: torch.Tensor, scale: float) -> list[torch.Tensor]:
    """What each pair of texts counts for either of them, added up; blocks of rows of (n, n)."""
    with torch.no_grad():
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


class _BothWays(torch.autograd.Function):
    """Cross entropy of the softmax over rows and of that over columns, in one pass.

    Both softmaxes need the same exponentials, and the gradient of the scores is
    (p_row + p_column - weights) / 2n, so the matrix is made once and turned into the gradient in
    place, in blocks of rows that stay in the cache. The weights are what each cell is asked for in
    both directions together; None asks for the diagonal alone, twice.
    """

    @staticmethod
    def forward(
        ctx: Any,
        left: torch.Tensor,
        right: torch.Tensor,
        scale: float,
        masked: tuple[torch.Tensor, ...],
        weights: list[torch.Tensor] | None,
    ) -> torch.Tensor:
        one, other = left.bfloat16(), right.bfloat16()
        starts = range(0, len(left), _BLOCK)
        blocks, by_row, asked = [], [], torch.zeros(())
        by_column = torch.zeros(len(right))
        for number, start in enumerate(starts):
            # A cosine is at most 1, so this keeps every exponent below zero.
            scores = (one[start : start + _BLOCK] @ other.T).float().sub_(1).mul_(scale)
            if weights is None:
                asked += 2 * scores.diagonal(start).sum()
            else:
                asked += torch.dot(weights[number].ravel(), scores.ravel())
            inside = (masked[0] >= start) & (masked[0] < start + _BLOCK)
            shares = scores.exp_()
            shares[masked[0][inside] - start, masked[1][inside]] = 0
            by_row.append(shares.sum(dim=1))
            by_column += shares.sum(dim=0)
            blocks.append(shares)
        rows = torch.cat(by_row)
        n = len(left)
        loss = (rows.log().sum() + by_column.log().sum() - asked) / (2 * n)
        to_left, to_right = torch.empty_like(left), torch.zeros_like(right)
        for number, (start, shares) in enumerate(zip(starts, blocks, strict=True)):
            part = slice(start, start + _BLOCK)
            gradient = shares.mul_(rows[part].reciprocal()[:, None] + by_column.reciprocal())
            if weights is None:
                gradient.diagonal(start).sub_(2)
            else:
                gradient.sub_(weights[number])
            slope = gradient.mul_(scale / (2 * n)).bfloat16()
            to_left[part] = (slope @ other).float()
            to_right += (slope.T @ one[part]).float()
        ctx.save_for_backward(to_left, to_right)
        return loss

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> Any:
        left, right = ctx.saved_tensors
        return left * outer[0], right * outer[0], None, None, None
