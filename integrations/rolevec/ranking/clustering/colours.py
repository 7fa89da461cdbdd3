"""Colours of clusters that can be told apart on light and on dark."""

from __future__ import annotations

import colorsys

NOISE_COLOUR = "#9a9a9a"

# Ten hues of like weight, neighbours in the list far apart; the first eight can be told apart with
# the common kinds of colour blindness (after Okabe and Ito, "Color universal design", 2008).
_FIRST = (
    "#0a84c6", "#e0701a", "#1aa179", "#cc6aa8", "#c99a00",
    "#7a5fd0", "#d1495b", "#5fb0e5", "#6b8e23", "#a0522d",
)  # fmt: skip
_GOLDEN = 0.618034


def colours(count: int) -> list[str]:
    """``count`` colours as "#rrggbb", the largest clusters' first."""
    return [*_FIRST, *(_turned(i) for i in range(count - len(_FIRST)))][:count]


def _turned(number: int) -> str:
    """Hues by the golden angle, never close to the one before."""
    lightness = (0.5, 0.62, 0.42)[number % 3]
    parts = colorsys.hls_to_rgb(number * _GOLDEN % 1, lightness, 0.5)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)
