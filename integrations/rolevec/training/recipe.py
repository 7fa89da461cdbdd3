"""Recipes: TOML files that hold all settings of a run but its folders."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

_FOLDERS = frozenset({"data", "output", "cache"})


def read_toml(recipe: str | Path) -> dict[str, Any]:
    """What a recipe says, with its folders taken as relative to it."""
    path = Path(recipe)
    values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    for name in _FOLDERS & values.keys():
        values[name] = path.parent / values[name]
    return values


class Recipe:
    """What the settings of all kinds of runs can do; a subclass is a dataclass of them.

    Attributes:
        kind: what a recipe file calls this kind of run.
        tables: setting -> dataclass of the settings in its own table.
    """

    __slots__ = ()
    kind: ClassVar[str]
    tables: ClassVar[Mapping[str, type[Any]]] = {}

    def to_dict(self) -> dict[str, Any]:
        """All settings but the folders, in plain types."""
        settings: dict[str, Any] = {}
        for name in _names(type(self)):
            value = getattr(self, name)
            if is_dataclass(value) and not isinstance(value, type):
                settings[name] = asdict(value)
            elif name not in _FOLDERS:
                settings[name] = dict(value) if isinstance(value, Mapping) else value
        return settings

    @classmethod
    def from_toml(cls, recipe: str | Path, **changes: Any) -> Self:
        """Read a recipe; ``changes`` win over what it says.

        Folders that the recipe names are relative to the recipe, those in ``changes`` to the
        working directory.

        Raises:
            ValueError: a setting that does not exist, a recipe of another kind of run, or no folder
                for data or output.
        """
        values = read_toml(recipe) | changes
        kind = values.pop("kind", cls.kind)
        if kind != cls.kind:
            raise ValueError(f"{recipe} is of the kind {kind!r}, not {cls.kind!r}")
        missing = [name for name in ("data", "output") if values.get(name) is None]
        settings = _typed(cls, values, str(recipe))
        if missing:
            raise ValueError(f"{recipe}: say where {' and '.join(missing)} is")
        for name in _FOLDERS & values.keys():
            settings[name] = None if values[name] is None else Path(values[name])
        for name, table in cls.tables.items():
            if isinstance(values.get(name), Mapping):
                settings[name] = table(**_typed(table, values[name], f"{recipe}, [{name}]"))
        return cls(**settings)


def _names(kind: type[Any]) -> dict[str, str]:
    """Settings of a dataclass and their types, as written."""
    return {f.name: str(f.type) for f in fields(kind)}


def _typed(kind: type[Any], values: Mapping[str, Any], where: str) -> dict[str, Any]:
    known = _names(kind)
    unknown = sorted(values.keys() - known.keys())
    if unknown:
        raise ValueError(f"{where}: unknown settings {', '.join(unknown)}")
    return {
        name: tuple(value) if known[name].startswith("tuple") else value
        for name, value in values.items()
    }
