"""A matrix that is learned along with the table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch


class LearnedMatrix:
    """A dense matrix and the memory of its own optimiser, Adam.

    Args:
        name: of its arrays in a checkpoint.
        start: values to begin with; shape (rows, columns).
        rate: step length.
    """

    def __init__(self, name: str, start: torch.Tensor, rate: float) -> None:
        self._name, self._rate = name, rate
        self.values = start
        self._adam = torch.optim.Adam([self.values], lr=rate)

    def times(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (n, rows of the matrix) through the matrix, multiplied in bfloat16."""
        return (rows.bfloat16() @ self.values.bfloat16()).float()

    def back(self, rows: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
        """From slopes along what `times` made of ``rows`` to those along the rows.

        The matrix's own are kept for the next `step`.
        """
        below, above = rows.bfloat16(), slopes.bfloat16()
        own = (below.T @ above).float()
        self.values.grad = own if self.values.grad is None else self.values.grad.add_(own)
        return (above @ self.values.bfloat16().T).float()

    def step(self, share: float = 1.0) -> None:
        """Learn from what `back` left, with this share of the step length."""
        self._adam.param_groups[0]["lr"] = self._rate * share
        self._adam.step()
        self._adam.zero_grad()

    def numpy(self) -> npt.NDArray[np.float32]:
        """The values; float32."""
        return np.asarray(self.values.numpy())

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Arrays from which `restore` goes on."""
        arrays = {self._name: self.numpy()}
        for name, value in self._adam.state.get(self.values, {}).items():
            arrays[f"{self._name}_{name}"] = torch.as_tensor(value).float().numpy()
        return arrays

    def restore(self, arrays: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Take up what `state` gave."""
        self.values.copy_(torch.from_numpy(arrays[self._name]))
        start = f"{self._name}_"
        state = {
            name.removeprefix(start): torch.from_numpy(np.array(value))
            for name, value in arrays.items()
            if name.startswith(start)
        }
        if state:
            self._adam.state[self.values] = state
