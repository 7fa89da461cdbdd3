"""Qdrant's client-side filters as Edge's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Protocol, cast

import qdrant_edge as edge
from qdrant_client import models

from rolevec.errors import InvalidFilter, RolevecError, UnsupportedByBackend
from rolevec.qdrant.backends.edge_booleans import boolean_path

# The engine walks a filter on its stack and takes the process with it at about 1000 levels; what
# `to_filter` makes has two for each of its own.
_DEEPEST = 150


def edge_filter(where: models.Filter | None) -> edge.Filter | None:
    """Translate a filter, condition by condition.

    Raises:
        UnsupportedByBackend: names a condition that Edge does not have.
        InvalidFilter: nested too deep, or a path, string or number that Edge does not read.
    """
    if where is None:
        return None
    try:
        return _filter(where, 0)
    except RolevecError:
        raise
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidFilter(f"Qdrant Edge cannot read the filter: {error}") from error


def _filter(where: models.Filter, depth: int) -> edge.Filter:
    if depth > _DEEPEST:
        raise InvalidFilter(f"the filter is nested deeper than {_DEEPEST} levels")
    least = where.min_should
    return edge.Filter(
        must=_conditions(where.must, depth),
        should=_conditions(where.should, depth),
        must_not=_conditions(where.must_not, depth),
        min_should=edge.MinShould(_conditions(least.conditions, depth) or [], least.min_count)
        if least
        else None,
    )


def _conditions(conditions: Any, depth: int) -> list[Any] | None:
    if conditions is None:
        return None
    listed = conditions if isinstance(conditions, Sequence) else [conditions]
    return [_condition(condition, depth) for condition in listed]


def _condition(condition: Any, depth: int) -> Any:
    match condition:
        case models.Filter():
            return _filter(condition, depth + 1)
        case models.FieldCondition():
            return _field(condition)
        case models.IsEmptyCondition():
            return edge.IsEmptyCondition(condition.is_empty.key)
        case models.IsNullCondition():
            return edge.IsNullCondition(condition.is_null.key)
        case models.HasIdCondition():
            return edge.HasIdCondition(cast("Any", set(condition.has_id)))
        case models.HasVectorCondition():
            return edge.HasVectorCondition(condition.has_vector)
        case models.NestedCondition():
            if _has_boolean(condition.nested.filter):
                raise UnsupportedByBackend(
                    "Qdrant Edge cannot match True or False inside a nested condition; use the"
                    f" path {condition.nested.key}[].… in a plain one"
                )
            inner = _filter(condition.nested.filter, depth + 1)
            return edge.NestedCondition(condition.nested.key, inner)
    raise UnsupportedByBackend(f"Qdrant Edge has no filter condition {type(condition).__name__}")


def _field(condition: models.FieldCondition) -> edge.FieldCondition:
    match = condition.match
    if isinstance(match, models.MatchValue) and isinstance(match.value, bool):
        key, path = boolean_path(condition.key, match.value)
        return edge.FieldCondition(key, match=edge.MatchValue(path))
    box, circle, polygon = (
        condition.geo_bounding_box,
        condition.geo_radius,
        condition.geo_polygon,
    )
    return edge.FieldCondition(
        condition.key,
        match=_match(match),
        range=_range(condition.range),
        geo_bounding_box=edge.GeoBoundingBox(_geo(box.top_left), _geo(box.bottom_right))
        if box
        else None,
        geo_radius=edge.GeoRadius(_geo(circle.center), circle.radius) if circle else None,
        geo_polygon=edge.GeoPolygon(
            _line(polygon.exterior), [_line(hole) for hole in polygon.interiors or []]
        )
        if polygon
        else None,
        values_count=edge.ValuesCount(**condition.values_count.model_dump())
        if condition.values_count
        else None,
        is_empty=condition.is_empty,
        is_null=condition.is_null,
    )


def _has_boolean(where: models.Filter) -> bool:
    dumped = where.model_dump_json(exclude_none=True)
    return '"value":true' in dumped or '"value":false' in dumped


def _match(match: Any) -> Any:
    if match is None:
        return None
    for ours, theirs, name in _MATCHES:
        if isinstance(match, ours):
            return theirs(getattr(match, name))
    raise UnsupportedByBackend(f"Qdrant Edge has no match {type(match).__name__}")


_MATCHES: list[tuple[type, Any, str]] = [
    (models.MatchValue, edge.MatchValue, "value"),
    (models.MatchText, edge.MatchText, "text"),
    (models.MatchTextAny, edge.MatchTextAny, "text_any"),
    (models.MatchPhrase, edge.MatchPhrase, "phrase"),
    (models.MatchAny, edge.MatchAny, "any"),
    (models.MatchExcept, edge.MatchExcept, "except_"),
]


def _range(bounds: models.Range | models.DatetimeRange | None) -> Any:
    if bounds is None:
        return None
    if isinstance(bounds, models.Range):
        return edge.RangeFloat(**bounds.model_dump())
    given = {name: getattr(bounds, name) for name in ("gte", "gt", "lte", "lt")}
    return edge.RangeDateTime(**{name: _moment(at) for name, at in given.items() if at is not None})


def _moment(at: date | datetime) -> str:
    if not isinstance(at, datetime):
        at = datetime.combine(at, time.min)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()


class _LonLat(Protocol):
    lon: float
    lat: float


def _geo(point: _LonLat) -> edge.GeoPoint:
    return edge.GeoPoint(point.lon, point.lat)


def _line(line: models.GeoLineString) -> list[edge.GeoPoint]:
    return [_geo(point) for point in line.points]
