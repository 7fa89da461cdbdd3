"""Encoders made of foreign functions, and the one that has none."""

import asyncio
import pickle

import numpy as np
import pytest

from rolevec.encoders.foreign import ForeignEncoder, VectorsOnly
from rolevec.encoders.protocol import Encoder
from rolevec.errors import InvalidText, InvalidVector, RolevecError, UnsupportedByBackend
from rolevec.roles import Role

TEXTS = ["a", "bbb", "a"]


def lengths(texts):
    return [[float(len(text)), 1.0, 0.0] for text in texts]


def mirrored(texts):
    return [[1.0, float(len(text)), 0.0] for text in texts]


def too_few(texts):
    return lengths(texts)[1:]


def broken(texts):
    return [[float("nan"), 1.0, 0.0] for _ in texts]


def make(queries=mirrored, documents=lengths, **options):
    return ForeignEncoder("m", dim=3, embed_queries=queries, embed_documents=documents, **options)


def test_roles_go_to_their_function_and_rows_are_units():
    encoder = make()
    assert isinstance(encoder, Encoder)
    want = np.array(lengths(TEXTS)) / np.linalg.norm(lengths(TEXTS), axis=1, keepdims=True)
    for role in (Role.DOCUMENT, Role.CLUSTERING):
        assert np.allclose(encoder.encode(TEXTS, role), want, atol=1e-6)
    assert np.allclose(encoder.encode_queries(TEXTS), want[:, [1, 0, 2]], atol=1e-6)


def test_duplicates_are_asked_once_in_batches():
    asked = []

    def embed(texts):
        asked.append(texts)
        return lengths(texts)

    make(documents=embed).encode(["a", "b", "a", "c"], Role.DOCUMENT, batch_size=2)
    assert asked == [["a", "b"], ["c"]]


@pytest.mark.parametrize("function", [too_few, broken, lambda texts: [[1.0]] * len(texts)])
async def test_wrong_answers_are_refused(function):
    async def afunction(texts):
        return function(texts)

    encoder = make(function, aembed_queries=afunction)
    with pytest.raises(InvalidVector):
        encoder.encode_queries(["a", "b"])
    with pytest.raises(InvalidVector):
        await encoder.aencode_queries(["a", "b"])


async def test_native_async_functions_are_used():
    asked = []

    async def embed(texts):
        asked.append(texts)
        await asyncio.sleep(0)
        return mirrored(texts)

    encoder = make(queries=broken, aembed_queries=embed)
    got = await encoder.aencode(TEXTS, Role.QUERY, dimensions=2)
    assert np.allclose(got, make().encode(TEXTS, Role.QUERY, dimensions=2), atol=1e-6)
    assert asked == [["a", "bbb"]]
    assert (await encoder.aencode_queries([])).shape == (0, 3)
    with pytest.raises(InvalidText, match="text 0 is blank"):
        await encoder.aencode_queries([" "])
    # There is none for documents: a thread runs the other.
    got = await encoder.aencode_documents(TEXTS)
    assert np.array_equal(got, make().encode_documents(TEXTS))


def test_pickles_if_its_functions_do():
    encoder = pickle.loads(pickle.dumps(make(revision="3")))
    assert encoder.fingerprint == make(revision="3").fingerprint
    assert np.array_equal(encoder.encode_queries(TEXTS), make().encode_queries(TEXTS))


def test_tokens_cannot_be_counted():
    with pytest.raises(UnsupportedByBackend, match="tokenizer"):
        make().count_tokens(TEXTS, Role.QUERY)


async def test_vectors_only_encodes_nothing():
    encoder = VectorsOnly(7)
    assert isinstance(encoder, Encoder)
    assert (encoder.dim, encoder.fingerprint.model, encoder.fingerprint.revision) == (7, "", "")
    for texts in (["a"], []):
        with pytest.raises(RolevecError, match="without an embedding model"):
            encoder.encode_documents(texts)
    with pytest.raises(RolevecError, match="without an embedding model"):
        await encoder.aencode_queries(["a"])
    with pytest.raises(RolevecError, match="without an embedding model"):
        encoder.count_tokens(["a"], Role.QUERY)
