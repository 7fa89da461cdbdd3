"""Policies for over-long texts, and their report."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolevec.errors import InputTooLong
from rolevec.truncation import TruncationWarning, check_policy, enforce, windows


@given(st.integers(0, 5000), st.integers(1, 600))
def test_split_covers_every_token_once_in_spans_that_fit(length, room):
    spans = windows(length, room, "split")
    assert spans[0][0] == 0
    assert spans[-1][1] == length
    assert all(a[1] == b[0] for a, b in pairwise(spans))
    assert all(end - start <= room for start, end in spans)


def test_one_end_is_kept_by_the_other_policies():
    assert windows(10, 4, "end") == windows(10, 4, "warn") == [(0, 4)]
    assert windows(10, 4, "start") == [(6, 10)]
    assert windows(4, 4, "start") == [(0, 4)]


def test_warn_says_how_many_and_where():
    with pytest.warns(TruncationWarning, match=r"2 of 3 texts .* 12 tokens dropped .*0, 2"):
        report = enforce([5, 0, 7], 512, "warn")
    assert report.positions == (0, 2)


def test_error_refuses():
    with pytest.raises(InputTooLong, match="1 of 2"):
        enforce([0, 3], 8, "error")


def test_unknown_policy_lists_the_choices():
    with pytest.raises(ValueError, match="warn, end, start, error, split"):
        check_policy("END")
