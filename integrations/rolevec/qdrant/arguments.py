"""What callers pass to a collection, checked before anything else happens."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rolevec.documents import Document
from rolevec.errors import InvalidDocument, shown

if TYPE_CHECKING:
    from qdrant_client import models

    from rolevec.qdrant.filters import Where

# Beyond a machine word engines fail each in its own way; this is less, and more than enough.
_MOST = 2**31 - 1


def chosen_filter(where: Where | None) -> models.Filter | None:
    """Translate a ``where``; see `rolevec.qdrant.filters.to_filter`."""
    if where is None:
        return None
    # Qdrant's filter models take a second to import; a plain search does without them.
    from rolevec.qdrant.filters import to_filter

    return to_filter(where)


def is_filter(value: object) -> bool:
    """True for Qdrant's own filters, without importing them."""
    return hasattr(value, "must_not")


def selects(where: models.Filter) -> bool:
    """False for a filter without any condition, which everything matches."""
    return any([where.must, where.should, where.must_not, where.min_should])


def check_listed(documents: object) -> None:
    """Raise `InvalidDocument` for a single document where several are expected."""
    single = isinstance(documents, (str, bytes, Mapping, Document))
    if single or not isinstance(documents, Iterable):
        raise InvalidDocument(f"documents is a single {type(documents).__name__}; pass a list")


def is_number(value: Any) -> bool:
    """True for anything that compares with floats."""
    try:
        return not math.isnan(value)
    except (TypeError, OverflowError):  # no number, or an integer beyond all floats
        return False


def positive(value: int, name: str = "k") -> int:
    """The value as an int, or ValueError unless it is a whole number that engines can count to."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not 1 <= value <= _MOST:
        raise ValueError(f"{name}={shown(value)}; it must be an integer from 1 to {_MOST}")
    return int(value)
