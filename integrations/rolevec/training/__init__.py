"""Training on pairs of texts, of static encoders and transformers; torch is loaded by a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rolevec.door import front_door

if TYPE_CHECKING:
    from rolevec.encoders.sounds import SoundSettings
    from rolevec.training.config import TrainConfig
    from rolevec.training.convert import convert_static
    from rolevec.training.hard import HardNegatives, read_hard_negatives, write_hard_negatives
    from rolevec.training.mining import mine_hard_negatives
    from rolevec.training.mining_report import Mined, MiningReport
    from rolevec.training.result import TrainResult
    from rolevec.training.run import load_recipe, train
    from rolevec.training.transformer_config import Architecture, TransformerConfig
    from rolevec.training.tune_config import TuneConfig

__all__ = [
    "Architecture",
    "HardNegatives",
    "Mined",
    "MiningReport",
    "SoundSettings",
    "TrainConfig",
    "TrainResult",
    "TransformerConfig",
    "TuneConfig",
    "convert_static",
    "load_recipe",
    "mine_hard_negatives",
    "read_hard_negatives",
    "train",
    "write_hard_negatives",
]

_HOME = {
    "Architecture": "rolevec.training.transformer_config",
    "HardNegatives": "rolevec.training.hard",
    "Mined": "rolevec.training.mining_report",
    "MiningReport": "rolevec.training.mining_report",
    "SoundSettings": "rolevec.encoders.sounds",
    "TrainConfig": "rolevec.training.config",
    "TrainResult": "rolevec.training.result",
    "TransformerConfig": "rolevec.training.transformer_config",
    "TuneConfig": "rolevec.training.tune_config",
    "convert_static": "rolevec.training.convert",
    "load_recipe": "rolevec.training.run",
    "mine_hard_negatives": "rolevec.training.mining",
    "read_hard_negatives": "rolevec.training.hard",
    "train": "rolevec.training.run",
    "write_hard_negatives": "rolevec.training.hard",
}

__getattr__, __dir__ = front_door(__name__, _HOME)
