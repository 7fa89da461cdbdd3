import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolevec.errors import InvalidVector
from rolevec.ranking import exact
from rolevec.ranking.exact import top_k
from rolevec.vectors import unit_rows


def naive(queries, documents, k):
    """Whole scores, sorted in Python; equals keep their order."""
    scores = (queries @ documents.T).tolist()
    rows = [sorted(range(len(row)), key=lambda i, row=row: -row[i])[:k] for row in scores]
    return rows, [[row[i] for i in found] for row, found in zip(scores, rows, strict=True)]


@st.composite
def small_integers(draw):
    """Few distinct numbers make many ties, and sums of them are exact."""
    dim = draw(st.integers(1, 3))
    shape = draw(st.integers(0, 4)), draw(st.integers(0, 9))
    seed = draw(st.integers(0, 1 << 32))
    rng = np.random.default_rng(seed)
    return [rng.integers(-1, 2, (n, dim)).astype(np.float32) for n in shape]


@given(small_integers(), st.integers(1, 11), st.integers(1, 4), st.integers(1, 4))
def test_it_is_a_sort_in_which_equals_keep_their_order(vectors, k, some, more):
    queries, documents = vectors
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(exact, "_QUERY_BLOCK", some)
        patched.setattr(exact, "_DOCUMENT_BLOCK", more)
        rows, scores = top_k(queries, documents, k)
    expected_rows, expected_scores = naive(queries, documents, k)
    assert rows.shape == scores.shape == (len(queries), min(k, len(documents)))
    assert (rows.dtype, scores.dtype) == (np.intp, np.float32)
    assert rows.tolist() == expected_rows
    assert scores.tolist() == expected_scores


def test_more_documents_than_a_block():
    rng = np.random.default_rng(0)
    queries, documents = (unit_rows(rng.standard_normal((n, 8))) for n in (3, 20_000))
    rows, scores = top_k(queries, documents, 50)
    whole = np.sort(queries @ documents.T, axis=1)[:, ::-1][:, :50]
    assert np.allclose(scores, whole, atol=1e-6)
    assert np.allclose(scores, np.einsum("qd,qkd->qk", queries, documents[rows]), atol=1e-6)


def test_minus_zero_is_zero():
    # A negative product too small for float32 rounds to -0.0.
    queries = np.array([[-1e-30]], dtype=np.float32)
    documents = np.array([[1e-30], [0], [-1]], dtype=np.float32)
    rows, _ = top_k(queries, documents, 3)
    assert rows.tolist() == [[2, 0, 1]]


def test_what_cannot_be_asked():
    rows = np.eye(3, dtype=np.float32)
    with pytest.raises(ValueError, match="k=0"):
        top_k(rows, rows, 0)
    with pytest.raises(InvalidVector, match="dimension 3, documents of dimension 2"):
        top_k(rows, rows[:, :2], 1)
