"""placeholder."""

from __future__ import annotations

from typing import Any


def document(*, keys: bool) -> dict[str, Any]:
    """Placeholder."""
    return {}
