"""How much a repeated token counts."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolevec.encoders.terms import damp

BAGS = st.lists(st.lists(st.integers(0, 2**31 - 1) | st.integers(0, 3), max_size=8), max_size=6)


@given(BAGS, st.sampled_from([0.0, 0.5, 1.0]))
def test_each_token_stands_once_with_a_power_of_its_count(bags, power):
    flat = np.array([token for bag in bags for token in bag], np.int64)
    ids, lengths, weights = damp(flat, np.array([len(bag) for bag in bags], np.int64), power)
    assert len(lengths) == len(bags)
    ends = np.cumsum(lengths)
    for bag, start, end in zip(bags, ends - lengths, ends, strict=True):
        found = dict(zip(ids[start:end].tolist(), weights[start:end].tolist(), strict=True))
        assert found == pytest.approx({token: n**power for token, n in Counter(bag).items()})
        assert ids[start:end].tolist() == sorted(set(bag))
