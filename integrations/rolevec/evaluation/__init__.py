"""Evaluation: how good an encoder is, on public data sets or on one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rolevec.door import front_door

if TYPE_CHECKING:
    from rolevec.evaluation.datasets import find_datasets
    from rolevec.evaluation.mteb import MTEBEncoder, run_mteb
    from rolevec.evaluation.report import Report
    from rolevec.evaluation.runner import evaluate
    from rolevec.evaluation.significance import compare
    from rolevec.evaluation.storage import StorageReport, evaluate_storage

__all__ = [
    "MTEBEncoder",
    "Report",
    "StorageReport",
    "compare",
    "evaluate",
    "evaluate_storage",
    "find_datasets",
    "run_mteb",
]

_HOME = {
    "MTEBEncoder": "rolevec.evaluation.mteb",
    "Report": "rolevec.evaluation.report",
    "StorageReport": "rolevec.evaluation.storage",
    "compare": "rolevec.evaluation.significance",
    "evaluate": "rolevec.evaluation.runner",
    "evaluate_storage": "rolevec.evaluation.storage",
    "find_datasets": "rolevec.evaluation.datasets",
    "run_mteb": "rolevec.evaluation.mteb",
}

__getattr__, __dir__ = front_door(__name__, _HOME)
