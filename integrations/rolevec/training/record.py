"""What a model's config.json says of its training."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

import rolevec
from rolevec.training.config import TrainConfig
from rolevec.training.memory import peak_memory
from rolevec.training.store import PairStore
from rolevec.training.teacher import Teacher

_PACKAGES = ("torch", "tokenizers", "numpy")


def training_record(
    config: TrainConfig,
    stores: Mapping[str, PairStore],
    teacher: Teacher | None,
    *,
    seconds: float,
    development: float | None,
) -> dict[str, Any]:
    """Settings, data, versions and cost of a run, in plain types.

    Args:
        config: settings of the run; folders are left out.
        stores: kind -> pairs trained on.
        teacher: the teacher, if there was one.
        seconds: spent on the table.
        development: accuracy on held-out pairs in [0, 1]; None if there were none.
    """
    sources = _sources(stores)
    return {
        "steps": config.steps,
        "batch": config.batch,
        "seed": config.seed,
        "pairs": sum(sources.values()),
        "pairs_by_language": pairs_by_language(stores),
        "sources": sources,
        "teacher": teacher.name if teacher else None,
        "development_bitext": None if development is None else round(development, 4),
        "seconds": round(seconds),
        "peak_memory_mb": peak_memory(),
        "versions": {
            "rolevec": rolevec.__version__,
            "python": platform.python_version(),
            **{package: version(package) for package in _PACKAGES},
        },
    }


def pairs_by_language(stores: Mapping[str, PairStore]) -> dict[str, int]:
    """Pairs whose left side is in each language, over all kinds."""
    total: dict[str, int] = {}
    for store in stores.values():
        counts = np.bincount(store.lang, minlength=len(store.langs)).tolist()
        for lang, count in zip(store.langs, counts, strict=True):
            total[lang] = total.get(lang, 0) + count
    return dict(sorted((lang, count) for lang, count in total.items() if count))


def _sources(stores: Mapping[str, PairStore]) -> dict[str, int]:
    """Rows of each source, over all kinds of pairs."""
    total: dict[str, int] = {}
    for store in stores.values():
        for source, rows in store.sources.items():
            total[source] = total.get(source, 0) + rows
    return dict(sorted(total.items()))
