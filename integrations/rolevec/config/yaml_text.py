"""YAML, by PyYAML where it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rolevec.errors import MissingExtra


def read_yaml(text: str) -> Any:
    """What a YAML text holds; nothing gives an empty mapping.

    Raises:
        MissingExtra: PyYAML is not installed.
        ValueError: it is no YAML.
    """
    yaml = _yaml()
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"it is no YAML: {error}") from error
    return {} if value is None else value


def write_yaml(data: Mapping[str, Any]) -> str:
    """YAML that `read_yaml` reads back.

    Raises:
        MissingExtra: PyYAML is not installed.
    """
    return str(_yaml().safe_dump(dict(data), allow_unicode=True, sort_keys=False))


def _yaml() -> Any:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise MissingExtra("PyYAML", "yaml") from error
    return yaml
