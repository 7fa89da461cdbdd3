"""Where a run is, on disk: arrays and what they belong to, whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import safe_open
from safetensors.numpy import save_file

Arrays = dict[str, npt.NDArray[np.float32]]


class Checkpoint:
    """The last checkpoint of one run, in one file, so that a kill leaves the one before.

    Args:
        folder: made if missing; None keeps nothing.
        settings: of the run, in plain types; a run of others finds no checkpoint.
    """

    def __init__(self, folder: Path | None, settings: Mapping[str, Any]) -> None:
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        self._path = None if folder is None else folder / f"run-{digest[:12]}.safetensors"

    def save(self, state: Mapping[str, Any], arrays: Arrays) -> None:
        """Write plain values and arrays."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        save_file(arrays, part, {"state": json.dumps(state)})
        part.replace(self._path)

    def load(self) -> tuple[dict[str, Any], Arrays] | None:
        """What `save` wrote last, or None."""
        if self._path is None or not self._path.exists():
            return None
        with safe_open(self._path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return json.loads(file.metadata()["state"]), arrays
