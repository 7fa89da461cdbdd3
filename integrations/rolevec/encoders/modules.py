"""Reading modules.json: how sentence-transformers chains pooling and what follows it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, deserialize

from rolevec.encoders.pooling import Activation, Dense, Normalize, Step
from rolevec.errors import ModelNotAvailable
from rolevec.models.card import Pooling

_PACKAGE = "sentence_transformers."
# Spelling in a folder -> ours; the flags are those of releases before 6.
_POOLINGS: dict[str, Pooling] = {"mean": "mean", "cls": "cls", "lasttoken": "lasttoken"}
_POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "lasttoken",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
}
_ACTIVATIONS: dict[str, Activation] = {"Tanh": "tanh", "Identity": "identity", "ReLU": "relu"}
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}


@dataclass(frozen=True, slots=True)
class Modules:
    """What stands behind the transformer: pooling (None: not said) and steps on pooled vectors."""

    pooling: Pooling | None = None
    steps: tuple[Step, ...] = ()

    def dim(self, hidden: int) -> int:
        """Dimension of the result, given the size of a token vector."""
        dims = [step.weight.shape[0] for step in self.steps if isinstance(step, Dense)]
        return int(dims[-1]) if dims else hidden


def read_modules(folder: Path) -> Modules:
    """Read modules.json; an absent one leaves pooling open.

    Raises:
        ModelNotAvailable: a module, mode or setting that is not applied here, named.
    """
    if not (folder / "modules.json").is_file():
        return Modules()
    pooling: Pooling | None = None
    steps: list[Step] = []
    for entry in _load(folder / "modules.json"):
        kind, where = str(entry.get("type", "")), str(entry.get("path") or "")
        name = kind.rpartition(".")[2]
        if not kind.startswith(_PACKAGE):
            raise _refuse(folder, f"the module {kind!r}, which is code of the model's own")
        if name == "Transformer" and pooling is None and not steps:
            _check_root(folder, where)
        elif name == "Pooling" and pooling is None:
            pooling = _read_pooling(folder, _load(folder / where / "config.json"))
        elif name in _STEPS and pooling is not None:
            steps.append(_STEPS[name](folder, folder / where))
        else:
            raise _refuse(folder, f"a module {name} at place {entry.get('idx')}")
    if pooling is None:
        raise _refuse(folder, "no pooling module")
    return Modules(pooling, tuple(steps))


def _check_root(folder: Path, where: str) -> None:
    # Older layouts keep the transformer in a folder of its own.
    if where.strip("./"):
        raise _refuse(folder, f"its transformer in the folder {where!r} instead of at the top")


def _read_pooling(folder: Path, config: Mapping[str, Any]) -> Pooling:
    stated = config.get("pooling_mode")
    if stated is None:
        modes = [mode for flag, mode in _POOLING_FLAGS.items() if config.get(flag)] or ["mean"]
    else:
        modes = [stated] if isinstance(stated, str) else list(stated)
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise _refuse(folder, f"the pooling {' + '.join(modes)}")
    if config.get("include_prompt") is False:
        raise _refuse(folder, "a pooling that leaves the prompt out (include_prompt)")
    return _POOLINGS[modes[0]]


def _read_dense(folder: Path, where: Path) -> Dense:
    config = _load(where / "config.json")
    for key in ("module_input_name", "module_output_name"):
        if config.get(key) not in (None, "sentence_embedding"):
            raise _refuse(folder, f"a Dense module on {config[key]!r}")
    if config.get("use_residual"):
        raise _refuse(folder, "a Dense module with a residual connection")
    # Absent means tanh there.
    activation = str(config.get("activation_function") or "Tanh").rpartition(".")[2]
    if activation not in _ACTIVATIONS:
        raise _refuse(folder, f"a Dense module with the activation {activation}")
    tensors = _read_tensors(where / "model.safetensors")
    if "linear.weight" not in tensors:
        raise _refuse(folder, f"a Dense module without linear.weight in {where.name}")
    return Dense(tensors["linear.weight"], tensors.get("linear.bias"), _ACTIVATIONS[activation])


def _read_normalize(folder: Path, where: Path) -> Normalize:
    config = _load(where / "config.json") if (where / "config.json").is_file() else {}
    if config.get("module_input_name", "sentence_embedding") != "sentence_embedding":
        raise _refuse(folder, f"a Normalize module on {config['module_input_name']!r}")
    return Normalize()


_STEPS: dict[str, Callable[[Path, Path], Step]] = {
    "Dense": _read_dense,
    "Normalize": _read_normalize,
}


def _read_tensors(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """All tensors as float32; numpy has no bfloat16, whose bits are the upper half of a float32."""
    try:
        tensors = {}
        for name, entry in deserialize(path.read_bytes()):  # type: ignore[no-untyped-call]
            if entry["dtype"] == "BF16":
                flat = (np.frombuffer(entry["data"], "<u2").astype("<u4") << 16).view("<f4")
            else:
                flat = np.frombuffer(entry["data"], _DTYPES[entry["dtype"]])
            tensors[name] = flat.astype(np.float32).reshape(entry["shape"])
    except (OSError, KeyError, SafetensorError) as error:
        raise ModelNotAvailable(
            f"cannot read {path}: {error!r}; pickled weights are not read, save them as safetensors"
        ) from error
    return tensors


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelNotAvailable(f"cannot read {path}: {error}") from error


def _refuse(folder: Path, what: str) -> ModelNotAvailable:
    return ModelNotAvailable(
        f"{folder} has {what}; rolevec applies one Transformer, one Pooling (mean, cls or"
        " lasttoken), then Dense and Normalize, and leaves nothing out in silence"
    )
