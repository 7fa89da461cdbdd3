"""Ids: any string outside, an unsigned integer or a UUID inside the engine."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from rolevec.errors import InvalidDocument, shown

PointId: TypeAlias = int | str
"""What the engine takes: an integer below 2**64, or a canonical UUID string."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "rolevec")
_INTEGER = re.compile(r"0|[1-9][0-9]{0,19}")
_UUID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def id_text(identifier: str | int) -> str:
    """One of our ids as it is given back: a plain string.

    Raises:
        InvalidDocument: empty, neither a string nor an integer, or an integer too long to print.
    """
    if type(identifier) is int:
        try:
            return str(identifier)
        except ValueError as error:  # over Python's limit of 4300 digits
            bits = identifier.bit_length()
            raise InvalidDocument(f"an id of {bits} bits; give it as a string") from error
    if not isinstance(identifier, str) or not identifier:
        raise InvalidDocument(
            f"an id must be a non-empty string or an unsigned integer, not {shown(identifier)}"
        )
    # The content, also of a subclass: str() of an enumeration's member gives its name.
    return str.__str__(identifier)


def listed_ids(ids: Iterable[str | int] | str | int) -> list[str | int]:
    """One id or many, as a list.

    Raises:
        InvalidDocument: neither; the ids themselves are not looked at.
    """
    if isinstance(ids, (str, int)):
        return [ids]
    # The items of bytes are integers and those of a mapping its keys: neither was meant as ids.
    if isinstance(ids, (bytes, bytearray, Mapping)) or not isinstance(ids, Iterable):
        raise InvalidDocument(f"ids are strings or integers, one or a list, not {shown(ids)}")
    return list(ids)


def point_id(identifier: str | int) -> PointId:
    """The engine's id for one of ours; equal ids give equal results, for ever.

    Raises:
        InvalidDocument: as `id_text`, or not encodable as UTF-8.
    """
    text = id_text(identifier)
    if _INTEGER.fullmatch(text) and (number := int(text)) < 1 << 64:
        return number
    if _UUID.fullmatch(text):
        return str(uuid.UUID(text))
    try:
        return str(uuid.uuid5(_NAMESPACE, "id:" + text))
    except UnicodeEncodeError as error:
        raise InvalidDocument(f"the id {shown(text)} cannot be written as UTF-8") from error


def content_id(text: str, metadata: object) -> str:
    """A UUID that depends on text and metadata alone, so that adding twice changes nothing."""
    content = json.dumps([text, metadata], sort_keys=True, ensure_ascii=False)
    return str(uuid.uuid5(_NAMESPACE, "content:" + content))
