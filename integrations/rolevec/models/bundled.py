"""The model inside the package."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rolevec.errors import ModelNotAvailable
from rolevec.models.card import ModelCard
from rolevec.models.static_card import read_config, static_card

LIGHT_NAME = "embed-light"
LIGHT_ALIASES = ("light",)
_FILES = ("config.json", "tokenizer.json.gz", "model.safetensors")


def light_folder() -> Path:
    """Folder of the bundled model: config.json, tokenizer.json.gz and model.safetensors.

    Raises:
        ModelNotAvailable: the package was built or installed without these files.
    """
    folder = _folder()
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise ModelNotAvailable(_incomplete(", ".join(missing)))
    return folder


def light_card() -> ModelCard:
    """The bundled model's card; the table itself is not touched.

    Raises:
        ModelNotAvailable: the file is missing or not readable.
    """
    try:
        card = static_card(_folder(), read_config(_folder()))
    except FileNotFoundError as error:
        raise ModelNotAvailable(_incomplete("config.json")) from error
    return replace(
        card,
        name=LIGHT_NAME,
        aliases=LIGHT_ALIASES,
        notes="In the package: works offline and needs no extra.",
    )


def _folder() -> Path:
    return Path(__file__).parent / "light"


def _incomplete(missing: str) -> str:
    return (
        f"this installation of rolevec lacks files of its bundled model ({missing});"
        " reinstall it (pip install --force-reinstall rolevec) or load another model"
    )
