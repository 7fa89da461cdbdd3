"""One door to all kinds of runs."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

from rolevec.errors import MissingExtra
from rolevec.training.config import TrainConfig
from rolevec.training.recipe import read_toml
from rolevec.training.result import TrainResult
from rolevec.training.transformer_config import TransformerConfig
from rolevec.training.tune_config import TuneConfig

AnyConfig: TypeAlias = TrainConfig | TransformerConfig | TuneConfig

# Kind of run -> its settings, and the packages without which it does not start.
_KINDS: dict[str, tuple[type[AnyConfig], tuple[str, ...]]] = {
    "static": (TrainConfig, ("torch",)),
    "tune": (TuneConfig, ("torch",)),
    "transformer": (
        TransformerConfig,
        ("torch", "transformers", "sentence_transformers", "datasets", "accelerate"),
    ),
}


def load_recipe(recipe: str | Path, **changes: Any) -> AnyConfig:
    """Read a recipe of any kind, "static", "tune" or "transformer"; it says which as ``kind``.

    Args:
        recipe: a TOML file.
        **changes: settings that win over the recipe's.

    Raises:
        ValueError: there is no such kind, or a setting that does not exist.
    """
    kind = str(changes.get("kind") or read_toml(recipe).get("kind", "static"))
    if kind not in _KINDS:
        raise ValueError(f"{recipe}: kind={kind!r} is none of {', '.join(sorted(_KINDS))}")
    return _KINDS[kind][0].from_toml(recipe, **changes)


def train(config: AnyConfig, *, progress: bool = True) -> TrainResult:
    """Train a model, or go on with a run that was killed.

    What has been done is kept in ``config.cache``, and a second run with the same settings starts
    from there. Equal settings and data give equal models on one machine.

    Args:
        config: settings of a static model, of its tuning on your pairs, or of a transformer.
        progress: show speed, loss and time left on standard error.

    Raises:
        ValueError: the data folder holds no pairs of the kinds asked for.
        MissingExtra: a package that this kind of run needs is not installed.
        UnknownModel, ModelNotAvailable: no such model or teacher; see `load_encoder`.
    """
    for package in _KINDS[config.kind][1]:
        if find_spec(package) is None:
            raise MissingExtra(package, "train")
    if isinstance(config, TrainConfig):
        from rolevec.training.static import train_static

        return train_static(config, progress=progress)
    if isinstance(config, TuneConfig):
        from rolevec.training.tuning import train_tuned

        return train_tuned(config, progress=progress)
    from rolevec.training.transformer import train_transformer

    return train_transformer(config, progress=progress)
