"""The fake encoder: near where texts are near, different by text and by role."""

import pickle
import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rolevec.encoders.protocol import Encoder, ReportingEncoder
from rolevec.roles import Role
from rolevec.testing import FakeEncoder

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


def test_it_is_an_encoder():
    assert isinstance(FakeEncoder(), Encoder)
    assert isinstance(FakeEncoder(), ReportingEncoder)
    assert FakeEncoder(8, "mine").fingerprint.model == "mine"


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_rows_are_units_and_roles_differ(texts):
    encoder = FakeEncoder()
    rows = [encoder.encode(texts, role) for role in Role]
    for matrix in rows:
        assert np.allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-6)
    for i, one in enumerate(rows):
        for other in rows[:i]:
            assert not np.isclose(one, other, atol=1e-4).all(axis=1).any()


@given(TEXTS, TEXTS)
def test_texts_differ(one, other):
    a, b = FakeEncoder().encode_documents([one, other])
    assert np.allclose(a, b, atol=1e-6) == (one.split() == other.split())


def test_similar_texts_are_near():
    encoder = FakeEncoder()
    documents = ["feeding a young cat", "interest rates of the central bank", "repairing bicycles"]
    queries = [
        "what do I feed my cat",
        "why did the bank raise interest",
        "how to repair a bicycle",
    ]
    scores = encoder.encode_queries(queries) @ encoder.encode_documents(documents).T
    assert scores.argmax(axis=1).tolist() == [0, 1, 2]


def test_equal_in_another_process():
    code = (
        "from rolevec.testing import FakeEncoder as F; print(F().encode_queries(['ä b']).tolist())"
    )
    out = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.strip() == str(FakeEncoder().encode_queries(["ä b"]).tolist())


def test_without_prompts_there_are_no_roles():
    encoder = FakeEncoder(prompts={})
    assert np.array_equal(encoder.encode_queries(["fox"]), encoder.encode_documents(["fox"]))


def test_the_limit_counts_words_and_the_prompt():
    for policy, dropped in (("end", 3), ("start", 3), ("split", 0)):
        encoder = FakeEncoder(max_tokens=4, truncation=policy)
        assert encoder.count_tokens(["a b c d e f"], Role.QUERY) == [7]
        assert encoder.encode_with_report(["a b c d e f"], Role.QUERY).truncation.dropped == (
            dropped,
        )


def test_pickles():
    encoder = FakeEncoder(16, prompts={"query": "q"}, dimensions=8)
    copy = pickle.loads(pickle.dumps(encoder))
    assert np.array_equal(copy.encode_queries(["fox"]), encoder.encode_queries(["fox"]))
