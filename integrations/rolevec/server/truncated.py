"""Telling a client that texts were cut, in every dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rolevec.encoders.tokens import Counted
from rolevec.server.engine import Model
from rolevec.truncation import TruncationReport

_HEADER = "x-truncated-texts"


def headers(counted: Counted) -> Mapping[str, str]:
    """How many texts were cut, for dialects whose answers have no place for it."""
    cut = sum(map(bool, counted.dropped))
    return {_HEADER: str(cut)} if cut else {}


def warning(model: Model, counted: Counted) -> Sequence[str]:
    """A sentence with counts and positions, if any text was cut."""
    report = TruncationReport(tuple(counted.dropped), model.encoder.max_tokens)
    return [report.describe()] if report else []
