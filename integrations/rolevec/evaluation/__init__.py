"""Evaluation: how good an encoder is, on public data sets or on one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rolevec.door import front_door

if TYPE_CHECKING:
    from rolevec.evaluation.datasets import find_datasets
    from rolevec.evaluation.report import Report
    from rolevec.evaluation.runner import evaluate
    from rolevec.evaluation.significance import compare

__all__ = ["Report", "compare", "evaluate", "find_datasets"]

_HOME = {
    "Report": "rolevec.evaluation.report",
    "compare": "rolevec.evaluation.significance",
    "evaluate": "rolevec.evaluation.runner",
    "find_datasets": "rolevec.evaluation.datasets",
}

__getattr__, __dir__ = front_door(__name__, _HOME)
