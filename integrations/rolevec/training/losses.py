"""Losses over a batch of pairs, each as fast as a CPU allows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import normalize

_BLOCK = 1024
# Softmax weight of a cell that must not count; not infinity, which times zero is NaN.
_NEVER = -1e4


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
    apply: Any = _InfoNCE.apply
    loss: torch.Tensor = apply(normalize(left), normalize(right), scale, cells)
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
    with torch.no_grad():
        seen = teacher.bfloat16()
        target = (seen @ seen.T).float().mul_(teacher_scale).fill_diagonal_(_NEVER).softmax(dim=1)
    one, other = normalize(left).bfloat16(), normalize(right).bfloat16()
    itself = torch.eye(len(left), dtype=torch.bool)
    scores = ((one @ other.T).float() * scale).masked_fill(itself, _NEVER)
    by_row = (target * scores.log_softmax(dim=1)).sum(dim=1)
    by_column = (target * scores.T.log_softmax(dim=1)).sum(dim=1)
    return -(by_row + by_column).mean() / 2


class _InfoNCE(torch.autograd.Function):
    """Loss and gradient in one pass over the similarity matrix.

    Both softmaxes need the same exponentials, and their gradient is
    (p_row + p_column - 2 * identity) / 2n, so the matrix is made once and turned into the gradient
    in place, in blocks of rows that stay in the cache.
    """

    @staticmethod
    def forward(
        ctx: Any,
        left: torch.Tensor,
        right: torch.Tensor,
        scale: float,
        masked: tuple[torch.Tensor, ...],
    ) -> torch.Tensor:
        one, other = left.bfloat16(), right.bfloat16()
        blocks, by_row, own = [], [], []
        by_column = torch.zeros(len(right))
        for start in range(0, len(left), _BLOCK):
            # A cosine is at most 1, so this keeps every exponent below zero.
            scores = (one[start : start + _BLOCK] @ other.T).float().sub_(1).mul_(scale)
            own.append(scores.diagonal(start).clone())
            inside = (masked[0] >= start) & (masked[0] < start + _BLOCK)
            shares = scores.exp_()
            shares[masked[0][inside] - start, masked[1][inside]] = 0
            by_row.append(shares.sum(dim=1))
            by_column += shares.sum(dim=0)
            blocks.append(shares)
        rows = torch.cat(by_row)
        loss = (rows.log() + by_column.log()).mean() / 2 - torch.cat(own).mean()
        to_left, to_right = torch.empty_like(left), torch.zeros_like(right)
        for start, shares in zip(range(0, len(left), _BLOCK), blocks, strict=True):
            part = slice(start, start + _BLOCK)
            gradient = shares.mul_(rows[part].reciprocal()[:, None] + by_column.reciprocal())
            gradient.mul_(scale / (2 * len(left))).diagonal(start).sub_(scale / len(left))
            slope = gradient.bfloat16()
            to_left[part] = (slope @ other).float()
            to_right += (slope.T @ one[part]).float()
        ctx.save_for_backward(to_left, to_right)
        return loss

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> Any:
        left, right = ctx.saved_tensors
        return left * outer[0], right * outer[0], None, None
