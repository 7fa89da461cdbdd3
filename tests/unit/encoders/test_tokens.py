"""Encoding with token counts, as the server does it."""

import gzip

import numpy as np
import pytest

from rolevec.encoders.static import StaticEncoder
from rolevec.encoders.tokens import read_tokenizer
from rolevec.errors import ModelNotAvailable
from rolevec.roles import Role

TEXTS = ["the quick brown fox", "der schnelle braune Fuchs", "fox " * 60]


@pytest.fixture(scope="module")
def encoder(static_folder):
    return StaticEncoder(static_folder)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("truncation", ["end", "start"])
def test_counted_vectors_are_those_of_encode(static_folder, encoder, role, truncation):
    counted = encoder.encode_counted(TEXTS, role, truncation)
    whole = StaticEncoder(static_folder, truncation=truncation).encode_with_report(TEXTS, role)
    np.testing.assert_allclose(counted.vectors, whole.vectors, atol=1e-6)
    assert tuple(counted.dropped) == whole.truncation.dropped
    uncut = encoder.count_tokens(TEXTS, role)
    assert [a + b for a, b in zip(counted.tokens, counted.dropped, strict=True)] == uncut
    assert counted.tokens[2] == encoder.max_tokens


def test_a_packed_tokenizer_is_read_where_there_is_no_other(static_folder, tmp_path):
    path = tmp_path / "tokenizer.json"
    text = (static_folder / "tokenizer.json").read_bytes()
    path.with_suffix(".json.gz").write_bytes(gzip.compress(text))
    packed = read_tokenizer(path)
    path.write_bytes(text)
    assert packed.to_str() == read_tokenizer(path).to_str()
    path.write_bytes(b"{")
    with pytest.raises(ModelNotAvailable, match="cannot read the tokenizer"):
        read_tokenizer(path)
    path.unlink()
    path.with_suffix(".json.gz").write_bytes(b"no archive")
    with pytest.raises(ModelNotAvailable, match="cannot read the tokenizer"):
        read_tokenizer(path)


def test_no_role_puts_no_prompt(static_folder, encoder):
    plain = StaticEncoder(static_folder, prompts={"query": "", "document": ""})
    counted = encoder.encode_counted(["the fox", "der Fuchs"], None, "end")
    np.testing.assert_allclose(
        counted.vectors, plain.encode_queries(["the fox", "der Fuchs"]), atol=1e-6
    )
    prompted = encoder.tokens_of(TEXTS[:1], Role.QUERY)[0].tokens
    assert prompted[1:] == encoder.tokens_of(TEXTS[:1], None)[0].tokens
