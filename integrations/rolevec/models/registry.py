"""Finding a card by name, alias or the last part of a name."""

from __future__ import annotations

import re
import threading
from difflib import get_close_matches

from rolevec.errors import ModelNotAvailable
from rolevec.models.bundled import LIGHT_ALIASES, LIGHT_NAME, light_card
from rolevec.models.card import ModelCard
from rolevec.models.known import KNOWN
from rolevec.prompts import Prompts

_lock = threading.Lock()
# Replaced as a whole under the lock, never changed in place: readers need no lock.
_cards: tuple[ModelCard, ...] = KNOWN
_BUNDLED = frozenset({LIGHT_NAME, *LIGHT_ALIASES})


def cards() -> tuple[ModelCard, ...]:
    """All cards, the bundled model's first if its files are there."""
    try:
        return (light_card(), *_cards)
    except ModelNotAvailable:
        return _cards


def find_card(name: str) -> ModelCard | None:
    """The card that answers to a name, or None.

    Upper and lower case are one. In order: a full name, an alias, the part after "org/" if only
    one card has it.

    Raises:
        ModelNotAvailable: the bundled model was asked for, and its files are missing.
    """
    wanted = name.strip().lower()
    if wanted in _BUNDLED:
        return light_card()
    known = _cards
    for card in known:
        if wanted in _names(card):
            return card
    last = [card for card in known if _last_part(card) == wanted]
    return last[0] if len(last) == 1 else None


def register_card(card: ModelCard) -> None:
    """Add a card, for this process; one of the same name is replaced.

    Raises:
        ValueError: a name or alias belongs to another card, or the dimension is not positive.
        UnsupportedRole: a prompt is not a template, or its role does not exist.
    """
    global _cards  # noqa: PLW0603
    if card.dim < 1:
        raise ValueError(f"the card of {card.name!r} has dim={card.dim}; it must be positive")
    Prompts(card.prompts)
    names = _names(card)
    with _lock:
        others = tuple(c for c in _cards if c.name.lower() != card.name.lower())
        taken = {name: c.name for c in others for name in _names(c)}
        taken.update(dict.fromkeys(_BUNDLED, LIGHT_NAME))
        clash = sorted(names & taken.keys())
        if clash:
            raise ValueError(
                f"{clash[0]!r} already names {taken[clash[0]]!r};"
                f" give the card of {card.name!r} another name or alias"
            )
        _cards = (*others, card)


def suggest(name: str, limit: int = 3) -> list[str]:
    """Names and aliases that look like a mistyped one, best first; at most ``limit``."""
    # What may have been meant -> what to say; one card under two names is one suggestion.
    meant = {known: known for known in (LIGHT_NAME, *LIGHT_ALIASES)}
    for card in _cards:
        meant.update((alias.lower(), alias) for alias in card.aliases)
        meant.update((known.lower(), card.name) for known in (card.name, _last_part(card)))
    wanted = name.strip().lower()
    near = get_close_matches(wanted, meant, n=limit, cutoff=0.6)
    # A name that was cut short is far from the whole name by edit distance.
    words = re.findall(r"[a-z0-9]+", wanted)
    if len("".join(words)) > 1:
        near += [known for known in meant if all(word in known for word in words)]
    return list(dict.fromkeys(meant[known] for known in near))[:limit]


def _last_part(card: ModelCard) -> str:
    return card.name.rpartition("/")[2].lower()


def _names(card: ModelCard) -> frozenset[str]:
    return frozenset({card.name.lower(), *(alias.lower() for alias in card.aliases)})
