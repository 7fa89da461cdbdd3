"""What the folder of a static model says of itself, in config.json and perhaps in card.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rolevec.errors import ModelNotAvailable
from rolevec.models.card import ModelCard

FORMAT = "rolevec-static"
# The newest version that is read, and the one that is written: 1 has 8-bit rows or floats, 2 also
# 4-bit rows, 3 also codebooks, 4 also refined rows, 6 also coarse rows and a query map of integers,
# 7 also sounds, in the place of the pairs of pieces of 5 and 6, 8 also a dictionary.
FORMAT_VERSION = 8
CARD_FILE = "card.json"


def read_config(folder: Path) -> dict[str, Any]:
    """The settings of a static model.

    Raises:
        FileNotFoundError: there is no config.json.
        ModelNotAvailable: it cannot be read, is not of a static model, or of a newer format.
    """
    config = _read(folder / "config.json")
    if config.get("format") != FORMAT:
        raise ModelNotAvailable(f"{folder / 'config.json'} is not of the format {FORMAT!r}")
    version = config.get("format_version", 1)
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise ModelNotAvailable(
            f"{folder / 'config.json'} is of version {version!r} of its format; this rolevec reads"
            f" up to {FORMAT_VERSION}: update it"
        )
    if config.get("piece_pairs") is not None:
        raise ModelNotAvailable(
            f"{folder / 'config.json'} has piece_pairs, which this rolevec no longer reads: train"
            " or tune the model again"
        )
    return config


def static_card(folder: Path, config: Mapping[str, Any]) -> ModelCard:
    """The card of a static model: settings, and what was measured of it where that is told.

    Args:
        folder: of the model.
        config: what `read_config` found in it.

    Raises:
        ModelNotAvailable: a file cannot be read, or lacks what a card needs.
    """
    measured = _read(folder / CARD_FILE) if (folder / CARD_FILE).exists() else {}
    try:
        return ModelCard(
            name=str(config["name"]),
            dim=int(config["dim"]),
            max_tokens=config.get("max_tokens"),
            prompts=dict(config.get("prompts") or {}),
            pooling="mean",
            revision=config.get("revision"),
            languages=tuple(config.get("languages") or ()),
            license=config.get("license") or "",
            source=config.get("source") or "",
            matryoshka_dims=tuple(config.get("matryoshka_dims") or ()),
            **_measured(measured),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelNotAvailable(f"cannot read {folder / 'config.json'}: {error!r}") from error


def _measured(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "date": str(facts.get("date") or ""),
        "checksum": str(facts.get("checksum") or ""),
        "limits": tuple(facts.get("limits") or ()),
        "scores": dict(facts.get("scores") or {}),
        "training_pairs": dict(facts.get("training_pairs") or {}),
        "training_sources": dict(facts.get("training_sources") or {}),
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise ModelNotAvailable(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise ModelNotAvailable(f"{path} holds a {type(content).__name__}, not settings")
    return content
