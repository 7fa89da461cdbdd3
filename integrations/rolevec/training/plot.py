"""The loss of a run as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rolevec.errors import MissingExtra


def plot_losses(losses: Sequence[float], path: Path, *, title: str = "") -> Path:
    """Draw a loss curve.

    Args:
        losses: mean loss of one stretch of the run after another, all of equal length.
        path: file to write; its suffix chooses the format.
        title: above the curve.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "plot") from error
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot([100 * (i + 1) / len(losses) for i in range(len(losses))], losses)
    axes.set_xlabel("share of the run, %")
    axes.set_ylabel("mean loss")
    axes.set_title(title)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    return path
