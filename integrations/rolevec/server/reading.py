"""Fields of a request's JSON: the value, checked, or a refusal that names the field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rolevec.errors import UnsupportedRole, shown
from rolevec.roles import Role
from rolevec.server.failures import Kind, Refused, invalid, malformed

Body = Mapping[str, Any]


def string(body: Body, name: str) -> str | None:
    """A string, or None if it is missing or null."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise malformed(f"{name} must be a string, not {shown(value)}", name)
    return value


def flag(body: Body, name: str) -> bool | None:
    """True, false, or None if it is missing or null."""
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise malformed(f"{name} must be true or false, not {shown(value)}", name)
    return value


def count(body: Body, name: str) -> int | None:
    """A positive integer, or None if it is missing or null."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise malformed(f"{name} must be an integer, not {shown(value)}", name)
    if value < 1:
        raise invalid(f"{name} must be at least 1, not {value}", name)
    return value


def choice(body: Body, name: str, choices: Sequence[str]) -> str | None:
    """One of some words, in upper or lower case, or None if it is missing or null."""
    value = string(body, name)
    if value is None:
        return None
    for known in choices:
        if value.lower() == known.lower():
            return known
    raise invalid(f"{name} must be one of {', '.join(choices)}, not {shown(value)}", name)


def role(body: Body, *names: str) -> Role | None:
    """The role in the first of some fields that has one."""
    for name in names:
        value = string(body, name)
        if value is not None:
            try:
                return Role.parse(value)
            except UnsupportedRole as error:
                raise invalid(f"{name}: {error}", name) from None
    return None


def text(value: object, name: str, most: int) -> str:
    """A text that can be encoded.

    Args:
        value: what the request holds.
        name: what to call it.
        most: characters.
    """
    if not isinstance(value, str):
        raise malformed(f"{name} must be a string, not {shown(value)}", name)
    if not value or value.isspace():
        raise invalid(f"{name} is {'blank' if value else 'empty'}", name)
    if len(value) > most:
        raise Refused(
            Kind.TOO_LONG,
            f"{name} is too long: {len(value)} characters, this server takes {most}",
            param=name,
        )
    return value


def texts(values: object, name: str, most: int) -> list[str]:
    """A list of texts that can be encoded; may be empty."""
    if not isinstance(values, list):
        raise malformed(f"{name} must be a list of strings, not {shown(values)}", name)
    for place, value in enumerate(values):
        # Inlined for the usual case, as this runs for every text.
        if not isinstance(value, str) or not value or len(value) > most or value.isspace():
            text(value, f"{name}[{place}]", most)
    return values


def ids(values: Sequence[object], name: str, vocabulary: int) -> list[int]:
    """Token ids; not empty."""
    if not values:
        raise invalid(f"{name} holds no token", name)
    checked = []
    for value in values:
        if not isinstance(value, int) or isinstance(value, bool):
            raise malformed(f"{name} must be a list of integers, not of {shown(value)}", name)
        if not 0 <= value < vocabulary:
            raise invalid(f"{name}: {value} is no token, they go from 0 to {vocabulary - 1}", name)
        checked.append(value)
    return checked
