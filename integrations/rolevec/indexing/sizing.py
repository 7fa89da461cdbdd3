"""How much memory, disk and time a collection takes, before it is made."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Literal

from rolevec.documents import Document
from rolevec.indexing.rates import Rates
from rolevec.qdrant.payloads import payload_of

Quantization = Literal["none", "int8", "turbo4", "binary"]
QUANTIZATIONS: tuple[Quantization, ...] = ("none", "int8", "turbo4", "binary")
MOST_POINTS = 10**15

_BITS = {"none": 0, "int8": 8, "turbo4": 4, "binary": 1}
_FLOAT = 4
# Bytes of a link in the graph; a point has up to 2 m of them on the lowest level, which holds
# nearly all (the engine's default m). Since version 1.13 they are compressed, so this is a bound.
_LINK, _M = 4, 16
# Bytes for a point's id and version: 12.4 GiB for the 400 million points of Qdrant's LAION example.
_ID = 33
# Qdrant's rule for everything in memory: half as much again for indexes and temporary segments.
_HEADROOM = 1.5
_RULE = "Qdrant's capacity planning"
_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Request:
    """A collection that is planned.

    Attributes:
        points: how many.
        dim: of the vectors.
        quantization: of the copy that is scanned.
        on_disk: leave unquantised vectors on the disk.
        replicas: copies of everything.
        text_bytes: of a document's text, UTF-8.
        tokens: of a document's text.
        cores: that encode, write and build at once.
        node_memory: bytes of memory of a node.
        node_disk: bytes of disk of a node.

    Raises:
        ValueError: a number that makes no sense.
    """

    points: int
    dim: int
    quantization: Quantization = "none"
    on_disk: bool = False
    replicas: int = 1
    text_bytes: int = 200
    tokens: int = 50
    cores: int = 8
    node_memory: int = 64 * 10**9
    node_disk: int = 10**12

    def __post_init__(self) -> None:
        if not 0 <= self.points <= MOST_POINTS:
            raise ValueError(f"points={self.points:,}; it must be from 0 to {MOST_POINTS:,}")
        names = ("dim", "replicas", "text_bytes", "tokens", "cores", "node_memory", "node_disk")
        for name in names:
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name}={value}; it must be at least 1")
        if self.quantization not in QUANTIZATIONS:
            raise ValueError(
                f"quantization={self.quantization!r} is not one of {', '.join(QUANTIZATIONS)}"
            )


@dataclass(frozen=True, slots=True)
class Line:
    """One result.

    Attributes:
        unit: "bytes", "hours" or "nodes".
        source: where the number comes from.
    """

    name: str
    value: float
    unit: str
    source: str


def plan(request: Request, rates: Rates) -> list[Line]:
    """Memory, disk, hours and nodes."""
    memory, disk = _memory(request), _disk(request)
    copies = request.replicas
    hours = _hours(request, rates)
    nodes = max(
        copies,
        math.ceil(memory.value * copies / request.node_memory),
        math.ceil(disk.value * copies / request.node_disk),
    )
    cores = f"{request.cores} cores"
    return [
        memory,
        Line("memory, all copies", memory.value * copies, "bytes", f"times {copies}"),
        disk,
        Line("disk, all copies", disk.value * copies, "bytes", f"times {copies}"),
        *hours,
        Line(
            f"all of it on {cores}",
            sum(line.value for line in hours) / request.cores,
            "hours",
            f"the sum of the three, shared by {cores} without loss",
        ),
        Line(
            "nodes",
            nodes,
            "nodes",
            f"of {size(request.node_memory)} memory and {size(request.node_disk)} disk;"
            " at least one for each copy",
        ),
    ]


def _memory(request: Request) -> Line:
    points, dim = request.points, request.dim
    if request.quantization == "none" and not request.on_disk:
        source = f"points x dim x 4 B x 1.5 ({_RULE})"
        return Line("memory, one copy", points * dim * _FLOAT * _HEADROOM, "bytes", source)
    value = _quantized(request) + points * (2 * _M * _LINK + _ID)
    kept = "" if request.quantization == "none" else f"{_BITS[request.quantization]} bit x dim + "
    source = (
        f"{kept}graph {2 * _M} links x {_LINK} B + id {_ID} B (Qdrant: links of m={_M}, ids as in"
        " its LAION example); float32 vectors stay on the disk"
    )
    return Line("memory, one copy", value, "bytes", source)


def _disk(request: Request) -> Line:
    document = Document("x" * request.text_bytes, "0" * 36, {})
    payload = len(json.dumps(payload_of(document, "0" * 36)))
    graph = 2 * _M * _LINK + _ID
    value = request.points * (request.dim * _FLOAT + graph + payload) + _quantized(request)
    source = (
        f"float32, quantised copy, graph, ids and a payload of {payload:,} B (as rolevec writes"
        f" {request.text_bytes:,} B of text), x 1.5 for temporary segments ({_RULE})"
    )
    return Line("disk, one copy", value * _HEADROOM, "bytes", source)


def _quantized(request: Request) -> float:
    return request.points * math.ceil(request.dim * _BITS[request.quantization] / 8)


def _hours(request: Request, rates: Rates) -> list[Line]:
    """Of one core each; encoding is done once, the rest for every copy."""
    points, dim, copies = request.points, request.dim, request.replicas
    tokens = points * request.tokens
    unit = "GPU" if rates.gpu else "core"
    encode = tokens / rates.tokens_per_second
    write = points * rates.write.seconds(dim) * copies
    # O(n log n): Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search
    # using Hierarchical Navigable Small World graphs", 2018, section 4.2.2.
    build = points * rates.build.seconds(dim) * math.log2(max(2, points)) * copies
    return [
        Line(
            f"encoding, one {unit}",
            encode / _HOUR,
            "hours",
            f"{rates.model}: {rates.tokens_per_second:,.0f} tokens/s, {rates.origin}",
        ),
        Line(
            "writing, one core",
            write / _HOUR,
            "hours",
            f"{1e6 * rates.write.seconds(dim):.0f} µs a point, {rates.origin}",
        ),
        Line(
            "building the index, one core",
            build / _HOUR,
            "hours",
            f"{1e6 * rates.build.seconds(dim):.1f} µs x log2(points) a point, {rates.origin};"
            " O(n log n) as in the paper on HNSW",
        ),
    ]


def size(value: float) -> str:
    """Bytes in decimal units, three digits."""
    units = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
    power = 0
    while power < len(units) - 1 and float(f"{value / 1000**power:.3g}") >= 1000:
        power += 1
    return f"{float(f'{value / 1000**power:.3g}'):,g} {units[power]}"
