"""Of scripts: which put no spaces between words, and which write syllables."""

from __future__ import annotations

import re
from functools import cache

# As Unicode 16.0 (UAX #14, class SA, and the ideographic scripts) has them: Thai and Lao, Tibetan,
# Myanmar, Khmer, kana, Han with its extensions. The inside of a character class.
UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u19e0-\u19ff\ua9e0-\ua9ff\uaa60-\uaa7f"
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U000323af"
)


@cache
def _unspaced() -> re.Pattern[str]:
    return re.compile(f"[{UNSPACED}]")


def is_unspaced(word: str) -> bool:
    """True for a word of a script that puts no spaces between words."""
    return _unspaced().match(word) is not None


def is_hangul(word: str) -> bool:
    """True for a word of Korean syllables."""
    return "\uac00" <= word[:1] <= "\ud7a3"
