"""Hostile input, sorted: what must come back unchanged, and what must be refused."""

import datetime
import decimal
import enum
import math
import uuid
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

TEXTS = (
    st.text(min_size=1).filter(lambda text: not text.isspace())
    | st.sampled_from(
        [
            "\0",
            "a\0b\x01\x1b[31m\x7f\x9f",
            "\ufeff\u200b\u202e\u2028 \r\n\t.",
            "e\u0301 \u00e9 \ufb01 \U0001f469\u200d\U0001f680 \U0010ffff \ufffe",
            '{"a": "\\u0000"}\\" \\',
            "<|endoftext|> query: [MASK] ../../etc",
            "None",
        ]
    )
    | st.integers(5_000, 20_000).map(lambda n: "long " * n)
)
BLANK = st.sampled_from(["", " ", "\n\t\r\x0b\x0c", "\x1c\x1d\x1e\x1f\x85", "\u2003\u3000\xa0"])
SURROGATES = st.builds(
    lambda before, lone, after: before + lone + after,
    st.text(max_size=3),
    st.characters(categories=["Cs"]),
    st.text(max_size=3),
)
NO_TEXTS = st.sampled_from([None, 7, 1.5, True, b"x", ["x"], ("x",), {"text": "x"}, np.bytes_("x")])

UUIDS = st.uuids().flatmap(
    lambda u: st.sampled_from(
        [str(u), u.hex, str(u).upper(), u.hex.upper(), f"{{{u}}}", u.urn, f" {u}", f"{u}\n"]
    )
)
IDS = (
    st.integers()
    | st.integers(2**64 - 2, 2**64 + 2)
    | UUIDS
    | st.text(min_size=1)
    | st.integers(0, 2**65).map(lambda n: f"00{n}")
    | st.sampled_from(["\0", "0", "-0", "+1", "1.0", "1e3", "\u0663", "a/../b?#%00", "\U0001f600"])
    | st.sampled_from([" ", "None", "null", "id:foo", str(2**64 - 1), "9" * 20])
    | st.integers(5_000, 50_000).map(lambda n: "9" * n)
)
NO_IDS = SURROGATES | st.sampled_from(
    ["", True, False, 1.5, math.nan, b"x", ("x",), ["x"], {}, np.int64(1), uuid.UUID(int=1)]
)

RESERVED = [
    *("page_content", "metadata", "_rolevec", "_node_content", "_node_type", "doc_id"),
    *("document_id", "ref_doc_id", "text", "content", "id", "_id", "score", "vector", "payload"),
]
# Names that tests of a collection index, one for each type of index.
INDEXED = ["keyword", "integer", "float", "bool", "datetime", "text", "geo", "uuid"]
KEYS = (
    st.text()
    | st.sampled_from(RESERVED)
    | st.sampled_from(INDEXED)
    | st.sampled_from(["", "a.b", "a[0]", "a[]", '"', '"a"', "\\", "$id", "$gt", "and", "\0", " "])
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0, 1, 0.0, -0.0, 1.0, 0.1 + 0.2, 5e-324, 1.7976931348623157e308])
    | TEXTS
    | st.sampled_from(["", " ", "2024-01-01T00:00:00Z", "9999-12-31", "1", "true", "null"])
    | st.sampled_from([{"lat": 1.5, "lon": 200.0}, {"lat": "x", "lon": None}]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
METADATA = st.dictionaries(KEYS, JSON, max_size=4)


class Plain(enum.Enum):
    A = "a"


def deeper(levels, step):
    value = "bottom"
    for _ in range(levels):
        value = step(value)
    return value


NO_JSON = (
    SURROGATES
    | st.sampled_from(
        [
            *(
                math.nan,
                math.inf,
                -math.inf,
                2**63,
                -(2**63) - 1,
                10**300,
                1j,
                decimal.Decimal("1.5"),
            ),
            *(datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1), datetime.timedelta(1)),
            *(datetime.time(1), datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)),
            *(
                (1, 2),
                (),
                {1, 2},
                frozenset(),
                b"x",
                bytearray(b"x"),
                range(3),
                Plain.A,
                object(),
                ...,
            ),
            *(
                np.float32(1),
                np.int64(1),
                np.bool_(True),
                np.array([1.0]),
                np.datetime64("2024-01-01"),
            ),
            *(uuid.UUID(int=1), Path("x"), int, len),
            *({1: 2}, {None: 1}, {True: 1}, {1.5: 1}, {(): 1}, {b"x": 1}, {"\ud800": 1}),
        ]
    )
    | st.sampled_from([64, 70, 3000]).map(lambda levels: deeper(levels, lambda v: {"a": [v]}))
)
NO_METADATA = st.builds(
    lambda good, key, bad: {**good, key: bad},
    METADATA,
    KEYS,
    st.recursive(
        NO_JSON,
        lambda inner: (
            st.builds(lambda good, bad: [*good, bad], st.lists(JSON, max_size=2), inner)
            | st.builds(lambda good, key, bad: {**good, key: bad}, METADATA, KEYS, inner)
        ),
        max_leaves=1,
    ),
) | st.sampled_from([None, 5, "x", b"x", [], [("a", 1)], {1: 2}, {b"a": 1}, {"\udfff": 1}])


class Wild:
    """Strategies; those that begin with ``no_`` make only what has to be refused."""

    texts = TEXTS
    blank = BLANK
    surrogates = SURROGATES
    no_texts = BLANK | SURROGATES | NO_TEXTS
    ids = IDS
    no_ids = NO_IDS
    json = JSON
    metadata = METADATA
    no_metadata = NO_METADATA
    indexed = INDEXED


@pytest.fixture(scope="session")
def wild():
    return Wild
