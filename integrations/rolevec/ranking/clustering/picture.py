"""A map of clusters as a picture."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rolevec.errors import MissingExtra
from rolevec.ranking.clustering.colours import NOISE_COLOUR, colours

if TYPE_CHECKING:
    from rolevec.ranking.clustering.map import ClusterMap

# Entries that the legend has room for.
_ENTRIES = 14
_WORDS = 5
_FIRST_FONT = "DejaVu Sans"
_NUMBER: dict[str, Any] = {
    "family": _FIRST_FONT, "size": 9.5, "weight": "bold", "color": "white",
    "ha": "center", "va": "center",
}  # fmt: skip


def draw(drawn: ClusterMap, path: Path) -> None:
    """Write the picture, 1800 by 1000 dots.

    Keywords are set in whatever installed fonts have their letters; a keyword that no font can
    write is left out.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "plot") from error
    texts = [drawn.title, *(word for words in drawn.keywords[:_ENTRIES] for word in words)]
    families, unwritable = _fonts(frozenset("".join(texts)))
    with rc_context({"font.family": families, "axes.unicode_minus": False}):
        figure = Figure(figsize=(12, 6.667), facecolor="white")
        axes = figure.add_axes((0.02, 0.07, 0.62, 0.83))
        _scatter(axes, drawn)
        _legend(figure, drawn, unwritable)
        title = "".join(c for c in drawn.title if c not in unwritable)
        figure.text(0.02, 0.94, title, size=18, color="#1d1d1f")
        figure.text(0.02, 0.028, drawn.note, size=9.5, color="#63636a")
        figure.savefig(path, dpi=150)


def _scatter(axes: Any, drawn: ClusterMap) -> None:
    shades = np.array([*colours(len(drawn.sizes)), NOISE_COLOUR])
    # Largest clusters first, so that the small ones lie on top.
    order = np.argsort(drawn.labels, kind="stable")
    size = float(np.clip(40_000 / max(len(order), 1), 4, 70))
    x, y = drawn.points[order].T
    axes.scatter(x, y, s=size, c=shades[drawn.labels[order]], alpha=0.7, linewidths=0)
    for label, colour in enumerate(shades[:-1]):
        own = drawn.points[drawn.labels == label]
        if label < _ENTRIES and len(own):
            style = {"boxstyle": "circle,pad=0.25", "fc": colour, "ec": "white", "lw": 1.2}
            middle = np.median(own, axis=0)
            axes.text(*middle, str(label + 1), bbox=style, **_NUMBER)
    axes.set_axis_off()
    axes.margins(0.03)


def _legend(figure: Any, drawn: ClusterMap, unwritable: frozenset[str]) -> None:
    shades = colours(len(drawn.sizes))
    entries = list(zip(drawn.keywords, drawn.sizes, shades, strict=True))[:_ENTRIES]
    step = min(0.095, 0.86 / max(len(entries), 1))
    for number, (words, size, colour) in enumerate(entries):
        top = 0.9 - number * step
        style = {"boxstyle": "circle,pad=0.25", "fc": colour, "ec": "none"}
        figure.text(0.67, top, str(number + 1), bbox=style, **_NUMBER)
        shown = [word for word in words if not unwritable & set(word)][:_WORDS]
        lines = textwrap.wrap(", ".join(shown), 40, max_lines=2, placeholder=" …")
        figure.text(0.69, top, "\n".join(lines), size=10.5, color="#1d1d1f", va="center")
        figure.text(0.985, top, f"{size:,}", size=9.5, color="#63636a", ha="right", va="center")
    left = len(drawn.sizes) - len(entries)
    if left:
        figure.text(0.69, 0.028, f"and {left} smaller clusters", size=9.5, color="#63636a")


@lru_cache(maxsize=8)
def _fonts(characters: frozenset[str]) -> tuple[list[str], frozenset[str]]:
    """Installed font families that together have the characters, and those that none has."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    wanted = {c for c in characters if not c.isspace()}
    families: list[str] = []
    _choose(fontManager.ttflist, wanted, families)
    if wanted:
        # matplotlib keeps a list of fonts, which does not know those installed since.
        known = {entry.fname for entry in fontManager.ttflist}
        for file in sorted(set(findSystemFonts()) - known):
            with suppress(OSError, RuntimeError):  # a font that FreeType cannot open
                fontManager.addfont(file)
        _choose(fontManager.ttflist, wanted, families)
    return families or [_FIRST_FONT], frozenset(wanted)


def _choose(entries: Iterable[Any], wanted: set[str], families: list[str]) -> None:
    """Append families until nothing is wanted, and take from ``wanted`` what they have."""
    for entry in sorted(entries, key=_preference):
        # "Last Resort" has a box for everything.
        if not wanted or entry.name in families or entry.name.startswith("Last Resort"):
            continue
        has = _written_by(entry.fname, wanted)
        if has or entry.name == _FIRST_FONT:
            families.append(entry.name)
            wanted -= has


def _preference(entry: Any) -> tuple[bool, ...]:
    """matplotlib's own font, then upright sans-serif ones of normal weight."""
    name = entry.name
    plain = entry.style == "normal" and entry.weight in (400, "normal", "regular")
    return (name != _FIRST_FONT, not plain, "Sans" not in name, "Mono" in name, name)


def _written_by(file: str, characters: Iterable[str]) -> set[str]:
    from matplotlib.ft2font import FT2Font

    try:
        letters = FT2Font(file).get_charmap()
    except (OSError, RuntimeError):  # a font that FreeType cannot open
        return set()
    return {character for character in characters if ord(character) in letters}
