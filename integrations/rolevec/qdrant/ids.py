"""Ids: any string outside, an unsigned integer or a UUID inside the engine."""

from __future__ import annotations

import json
import re
import uuid
from typing import TypeAlias

from rolevec.errors import InvalidDocument

PointId: TypeAlias = int | str
"""What the engine takes: an integer below 2**64, or a canonical UUID string."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "rolevec")
_INTEGER = re.compile(r"0|[1-9][0-9]{0,19}")
_UUID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def point_id(identifier: str | int) -> PointId:
    """The engine's id for one of ours; equal ids give equal results, for ever.

    Raises:
        InvalidDocument: empty, neither a string nor an integer, or not encodable as UTF-8.
    """
    text = str(identifier) if type(identifier) is int else identifier
    if not isinstance(text, str) or not text:
        raise InvalidDocument(
            f"an id must be a non-empty string or an unsigned integer, not {identifier!r}"
        )
    if _INTEGER.fullmatch(text) and (number := int(text)) < 1 << 64:
        return number
    if _UUID.fullmatch(text):
        return str(uuid.UUID(text))
    try:
        return str(uuid.uuid5(_NAMESPACE, "id:" + text))
    except UnicodeEncodeError as error:
        raise InvalidDocument(f"the id {text!r} cannot be written as UTF-8") from error


def content_id(text: str, metadata: object) -> str:
    """A UUID that depends on text and metadata alone, so that adding twice changes nothing."""
    content = json.dumps([text, metadata], sort_keys=True, ensure_ascii=False)
    return str(uuid.uuid5(_NAMESPACE, "content:" + content))
