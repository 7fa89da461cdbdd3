"""How fast encoding, writing and index building are: measured, here or in the file beside this."""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from rolevec.documents import Document
from rolevec.encoders.protocol import Encoder
from rolevec.errors import UnknownModel
from rolevec.qdrant.adding import points_of
from rolevec.qdrant.backends.edge import EdgeBackend
from rolevec.qdrant.backends.protocol import Spec
from rolevec.qdrant.identity import About
from rolevec.roles import Role
from rolevec.vectors import Matrix, unit_rows

# Two dimensions make the line through which every other is read.
_DIMS = (128, 512)
# More than the engine leaves without an index (10,000 KB of vectors) at the lower of them.
_POINTS = 24_000
_BATCH = 256
ENCODING_SECONDS = 20.0
_TEXTS = 512
_TEXT = 200


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds of one point: a constant, and so much for each coordinate."""

    point: float
    coordinate: float

    def seconds(self, dim: int) -> float:
        """For vectors of this dimension."""
        return self.point + self.coordinate * dim


@dataclass(frozen=True, slots=True)
class Rates:
    """What was measured.

    Attributes:
        model: whose encoding.
        dim: of its vectors.
        tokens_per_second: of one core, or of one GPU.
        gpu: True if it runs on one.
        write: to a collection on Qdrant Edge.
        build: of its index, divided by log2 of the number of points.
        origin: where and how.
    """

    model: str
    dim: int
    tokens_per_second: float
    gpu: bool
    write: Cost
    build: Cost
    origin: str


def known_rates(model: str) -> Rates:
    """Those of the file beside this module, which ``benchmarks/ingest_rates.py`` writes.

    Raises:
        UnknownModel: it was not measured for this model.
    """
    content = json.loads(files("rolevec.indexing").joinpath("rates.json").read_text("utf-8"))
    encode: Mapping[str, Any] = content["encode"]
    if model not in encode:
        raise UnknownModel(
            f"nobody measured how fast {model!r} encodes; measured are"
            f" {', '.join(sorted(encode))}. Measure it on this machine with --measure"
        )
    facts = encode[model]
    return Rates(
        model,
        facts["dim"],
        facts["tokens_per_second"],
        facts["gpu"],
        Cost(**content["write"]),
        Cost(**content["build"]),
        f"measured on {content['machine']}",
    )


def measured_rates(
    encoder: Encoder, texts: Sequence[str], *, seconds: float | None = None
) -> Rates:
    """Measure this machine; takes about a minute.

    On a processor it is processor time that counts, of all threads, so that other programs disturb
    it little; on a GPU it is time on the clock.

    Args:
        encoder: the model.
        texts: encoded over and over, as many as time allows.
        seconds: to encode for; None takes 20.
    """
    gpu = str(getattr(encoder, "device", "cpu")).startswith(("cuda", "mps"))
    tokens = encoding_rate(encoder, texts, seconds or ENCODING_SECONDS, gpu=gpu)
    write, build = engine_costs(About(encoder.fingerprint))
    return Rates(encoder.name, encoder.dim, tokens, gpu, write, build, "measured on this machine")


def encoding_rate(encoder: Encoder, texts: Sequence[str], seconds: float, *, gpu: bool) -> float:
    """Tokens per second of one core, or of one GPU."""
    clock = time.perf_counter if gpu else time.process_time
    # No two alike, since equal texts are encoded once, and words are remembered.
    numbered = (f"{text} {number}" for number, text in enumerate(cycle(texts)))
    encoder.encode_documents(list(islice(numbered, _TEXTS)))
    tokens, busy, start = 0, 0.0, time.perf_counter()
    while not tokens or time.perf_counter() - start < seconds:
        batch = list(islice(numbered, _TEXTS))
        begin = clock()
        encoder.encode_documents(batch)
        busy += clock() - begin
        tokens += sum(encoder.count_tokens(batch, Role.DOCUMENT))
    return tokens / max(busy, 1e-9)


def engine_costs(about: About, points: int | None = None) -> tuple[Cost, Cost]:
    """Writing and index building on Qdrant Edge; the second divided by log2 of the points."""
    (write_low, build_low), (write_high, build_high) = (
        _engine(about, dim, points or _POINTS) for dim in _DIMS
    )
    return _line(write_low, write_high), _line(build_low, build_high)


def _line(low: float, high: float) -> Cost:
    slope = max(0.0, (high - low) / (_DIMS[1] - _DIMS[0]))
    return Cost(max(0.0, low - slope * _DIMS[0]), slope)


def _engine(about: About, dim: int, points: int) -> tuple[float, float]:
    """Processor seconds of a point, to write it and to build the index over log2 of all."""
    vectors = _clustered(points, dim)
    documents = [Document("x" * _TEXT, str(n)) for n in range(points)]
    with tempfile.TemporaryDirectory() as folder:
        backend = EdgeBackend(Path(folder), create=True)
        try:
            # The graph of a Qdrant server's default, for which memory and disk are planned, too.
            backend.create(Spec(dim, about, links=16, candidates=100))
            begin = time.process_time()
            for start in range(0, points, _BATCH):
                chosen = slice(start, start + _BATCH)
                backend.upsert(points_of(documents[chosen], vectors[chosen]))
            written = time.process_time()
            backend.optimize()
            built = time.process_time()
        finally:
            backend.close()
    return (written - begin) / points, (built - written) / points / math.log2(points)


def _clustered(points: int, dim: int) -> Matrix:
    """Unit rows in groups, as texts about the same things are; the same on every call."""
    chance = np.random.default_rng(0)
    centres = chance.normal(size=(200, dim))
    rows = centres[chance.integers(0, len(centres), points)] + chance.normal(size=(points, dim))
    return unit_rows(rows.astype(np.float32), dim)
