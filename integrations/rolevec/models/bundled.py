"""The model inside the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rolevec.errors import ModelNotAvailable
from rolevec.models.card import ModelCard

LIGHT_NAME = "embed-light"
LIGHT_ALIASES = ("light",)
_FILES = ("config.json", "tokenizer.json", "model.safetensors")


def light_folder() -> Path:
    """Folder of the bundled model: config.json, tokenizer.json and model.safetensors.

    Raises:
        ModelNotAvailable: the package was built or installed without these files.
    """
    folder = _folder()
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise ModelNotAvailable(_incomplete(", ".join(missing)))
    return folder


def light_card() -> ModelCard:
    """The bundled model's card, from its config.json; the table itself is not touched.

    Raises:
        ModelNotAvailable: the file is missing or not readable.
    """
    path = _folder() / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return ModelCard(
            name=LIGHT_NAME,
            dim=int(config["dim"]),
            max_tokens=config.get("max_tokens"),
            prompts=dict(config.get("prompts") or {}),
            pooling="mean",
            revision=config.get("revision"),
            languages=tuple(config.get("languages") or ()),
            license=config.get("license", ""),
            source=config.get("source", "") or "trained by this project",
            aliases=LIGHT_ALIASES,
            matryoshka_dims=tuple(config.get("matryoshka_dims") or ()),
            notes="In the package: works offline and needs no extra.",
        )
    except FileNotFoundError as error:
        raise ModelNotAvailable(_incomplete(path.name)) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelNotAvailable(f"cannot read the bundled model's {path}: {error!r}") from error


def _folder() -> Path:
    return Path(__file__).parent / "light"


def _incomplete(missing: str) -> str:
    return (
        f"this installation of rolevec lacks files of its bundled model ({missing});"
        " reinstall it (pip install --force-reinstall rolevec) or load another model"
    )
