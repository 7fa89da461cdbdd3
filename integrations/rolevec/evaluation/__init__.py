"""Evaluation: how good an encoder is, on public data sets or on one's own."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rolevec.evaluation.datasets import find_datasets
    from rolevec.evaluation.report import Report
    from rolevec.evaluation.runner import evaluate
    from rolevec.evaluation.significance import compare

__all__ = ["Report", "compare", "evaluate", "find_datasets"]

_HOMES = {
    "Report": "rolevec.evaluation.report",
    "compare": "rolevec.evaluation.significance",
    "evaluate": "rolevec.evaluation.runner",
    "find_datasets": "rolevec.evaluation.datasets",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
