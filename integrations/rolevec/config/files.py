"""`load_config` and `save_config`: TOML, and YAML where PyYAML is installed.

[encoder]
model = "light"                  # whatever `load_encoder` takes, and its options beside it
truncation = "split"

[collection]
name = "notes"
store = "./rolevec-data"         # relative to this file
indexed_fields = { year = "integer" }

[reranker]                       # may be left out
model = "cohere:rerank-v3.5"
kind = "cross-encoder"
api_key_env = "COHERE_API_KEY"   # the variable's name; the key itself is refused
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rolevec.config.building import Config
from rolevec.config.settings import CollectionSettings, EncoderSettings, RerankerSettings
from rolevec.config.yaml_text import read_yaml, write_yaml
from rolevec.tables import check_names, read_table

_YAML = (".yaml", ".yml")
_TABLES = {
    "encoder": EncoderSettings,
    "collection": CollectionSettings,
    "reranker": RerankerSettings,
}
# Setting -> the table that has it, for those that name a place on disk.
_PLACES = (("encoder", "model"), ("encoder", "cache"), ("collection", "store"))
_SECRETS = ("api_key", "token", "password", "secret")


def load_config(path: str | Path) -> Config:
    """Read a configuration file, of which every table and setting may be left out.

    Args:
        path: .toml, .yaml or .yml. Folders that it names are relative to it.

    Raises:
        ValueError: a table, setting or value that there is not, with the nearest that there is; a
            key where only the name of an environment variable may stand. Names the file.
        MissingExtra: a YAML file without PyYAML.
        OSError: the file cannot be read.
    """
    path = Path(path)
    text = path.read_text(encoding="utf-8")
    try:
        data = read_yaml(text) if _is_yaml(path) else tomllib.loads(text)
        return read_config(data, path.parent.absolute())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def read_config(data: Mapping[str, Any], folder: Path) -> Config:
    """A configuration from what a file in ``folder`` holds.

    Raises:
        ValueError: as `load_config`.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"there should be the tables {', '.join(_TABLES)}")
    check_names(data, _TABLES, "the file")
    parts: dict[str, Any] = {}
    for name, kind in _TABLES.items():
        table = data.get(name)
        if table is None:
            continue
        if not isinstance(table, Mapping):
            raise ValueError(f"{name} is a table: [{name}]")
        _refuse_secrets(table, f"[{name}]")
        parts[f"{name}_settings"] = read_table(kind, dict(table), f"[{name}]")
    return _moved(Config(**parts), lambda place: os.path.normpath(folder / place))


def save_config(config: Config, path: str | Path) -> None:
    """Write a configuration, so that `load_config` gives it back; folders below it are relative.

    Raises:
        ValueError: the name does not end in .toml, .yaml or .yml.
        MissingExtra: a YAML file without PyYAML.
    """
    path = Path(path)
    folder = path.parent.absolute()
    data = _moved(config, lambda place: _seen_from(folder, place)).to_dict()
    text = write_yaml(data) if _is_yaml(path) else write_toml(data)
    path.write_text(text, encoding="utf-8")


def write_toml(data: Mapping[str, Mapping[str, Any]]) -> str:
    """TOML of tables that hold strings, numbers, booleans, lists and mappings."""
    return "\n".join(
        f"[{name}]\n" + "".join(f"{_key(key)} = {_toml(value)}\n" for key, value in table.items())
        for name, table in data.items()
    )


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        # JSON's escapes are TOML's as well, but for one character that TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else _toml(name)


def _is_yaml(path: Path) -> bool:
    if path.suffix not in (".toml", *_YAML):
        raise ValueError(f"{path.name}: a configuration is a .toml, .yaml or .yml file")
    return path.suffix in _YAML


def _refuse_secrets(table: Mapping[str, Any], place: str) -> None:
    for name, value in table.items():
        if str(name).lower() in _SECRETS:
            raise ValueError(
                f"{place}: {name} does not belong into a file; keep it in an environment variable"
                ' and name that: api_key_env = "…"'
            )
        if isinstance(value, Mapping):
            _refuse_secrets(value, f"{place}: {name}")


def _moved(config: Config, move: Any) -> Config:
    """The configuration with its places on disk changed."""
    changed: dict[str, Any] = {}
    for table, name in _PLACES:
        settings = changed.get(table) or getattr(config, f"{table}_settings")
        value = getattr(settings, name)
        if isinstance(value, str) and _is_place(name, value):
            settings = replace(settings, **{name: str(move(value))})
        changed[table] = settings
    return replace(config, **{f"{table}_settings": value for table, value in changed.items()})


def _is_place(name: str, value: str) -> bool:
    if name == "model":
        # Anything else may be a name on the hub.
        return value.startswith(("./", "../")) or Path(value).is_absolute()
    return value != ":memory:" and not value.startswith(("http://", "https://"))


def _seen_from(folder: Path, place: str) -> str:
    path = Path(place)
    return f"./{path.relative_to(folder)}" if path.is_relative_to(folder) else place
