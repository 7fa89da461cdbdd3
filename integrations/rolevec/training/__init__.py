"""Training of static encoders from pairs of texts; torch is loaded when a run starts."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rolevec.errors import MissingExtra

if TYPE_CHECKING:
    from rolevec.training.config import TrainConfig
    from rolevec.training.convert import convert_static
    from rolevec.training.hard import HardNegatives, read_hard_negatives, write_hard_negatives
    from rolevec.training.mining import mine_hard_negatives
    from rolevec.training.static import train

__all__ = [
    "HardNegatives",
    "TrainConfig",
    "convert_static",
    "mine_hard_negatives",
    "read_hard_negatives",
    "train",
    "write_hard_negatives",
]

_HOMES = {
    "HardNegatives": "rolevec.training.hard",
    "TrainConfig": "rolevec.training.config",
    "convert_static": "rolevec.training.convert",
    "mine_hard_negatives": "rolevec.training.mining",
    "read_hard_negatives": "rolevec.training.hard",
    "write_hard_negatives": "rolevec.training.hard",
    "train": "rolevec.training.static",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if error.name == "torch":
            raise MissingExtra("torch", "train") from error
        raise


def __dir__() -> list[str]:
    return sorted(__all__)
