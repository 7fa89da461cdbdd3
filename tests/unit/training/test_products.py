import numpy as np
import pytest

from rolevec.training.products import encode_products


def read(codes, scales, books):
    entries = books.astype(np.float32)[np.arange(codes.shape[1]), codes]
    return entries.transpose(0, 2, 1).reshape(len(codes), -1) * scales[:, None]


def test_codebooks_do_not_depend_on_anything_but_rows_and_seed():
    table = np.random.default_rng(0).normal(size=(600, 16)).astype(np.float32)
    table[7] = 0
    codes, scales, books = encode_products(table, seed=3)
    assert (codes.shape, books.shape) == ((600, 4), (4, 256, 4))
    assert scales[7] == 0
    for one, other in zip((codes, scales, books), encode_products(table, seed=3), strict=True):
        assert np.array_equal(one, other)
    assert not np.array_equal(codes, encode_products(table, seed=4)[0])


@pytest.fixture(scope="module")
def met():
    """Vectors that lie mostly along a few directions, none of which is an axis."""
    rng = np.random.default_rng(1)
    axes, _ = np.linalg.qr(rng.normal(size=(64, 64)))
    return (rng.normal(size=(2000, 64)) * 0.9 ** np.arange(64) @ axes).astype(np.float32)


def test_what_codes_lose_is_what_the_vectors_met_do_not_see(met):
    table = np.random.default_rng(0).normal(size=(4000, 64)).astype(np.float32)
    moment = met.T @ met / len(met)
    errors = [read(*encode_products(table, m)) - table for m in (None, moment)]
    wrong = [np.square(error @ met.T).mean() for error in errors]
    assert wrong[1] < 0.5 * wrong[0]
    assert np.square(errors[1]).sum() > np.square(errors[0]).sum()
    # The scale is the best there is: no other one brings products nearer.
    for row, error in zip(table[:50], errors[1], strict=False):
        kept = (row + error) @ met.T
        assert kept @ kept == pytest.approx(kept @ (row @ met.T), rel=1e-3)


def test_vectors_in_all_directions_alike_are_the_default():
    table = np.random.default_rng(0).normal(size=(500, 16)).astype(np.float32)
    one, other = (encode_products(table, m) for m in (None, 7 * np.eye(16, dtype=np.float32)))
    assert np.array_equal(one[0], other[0])
    assert one[1] == pytest.approx(other[1])


def test_a_moment_that_leaves_directions_out_is_one_to_code_by():
    """As of few vectors, or of vectors that never leave some dimensions."""
    table = np.random.default_rng(0).normal(size=(500, 16)).astype(np.float32)
    moment = np.zeros((16, 16), np.float32)
    moment[:3, :3] = np.eye(3)
    error = read(*encode_products(table, moment)) - table
    assert np.square(error[:, :3]).sum() < 0.01 * np.square(table[:, :3]).sum()
