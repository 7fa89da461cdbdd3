"""Front doors that import a name's module when the name is asked for, and nothing before."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from rolevec.errors import MissingExtra


def front_door(
    package: str,
    homes: Mapping[str, str],
    needs: Mapping[str, tuple[str, str]] | None = None,
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's ``__getattr__`` and ``__dir__`` (PEP 562).

    Args:
        package: its ``__name__``.
        homes: public name -> module that defines it.
        needs: module that may be missing, parents first -> name of its package, and our extra that
            brings it.
    """

    def load(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            value = getattr(import_module(home), name)
        except ModuleNotFoundError as error:
            # Asked for only now: a search for modules has no place on the usual way in.
            for module, package_and_extra in (needs or {}).items():
                if find_spec(module) is None:
                    raise MissingExtra(*package_and_extra) from error
            raise
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: sorted(homes)
