import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save_file

from rolevec.encoders.table import TokenTable
from rolevec.training.quantising import encode_products, pack, quantise


def read_back(folder, tensors):
    save_file(tensors, folder / "t.safetensors")
    table = TokenTable(folder / "t.safetensors")
    every = np.arange(table.vocabulary)
    return table.sums(every, every)


@pytest.mark.parametrize(("bits", "kind"), [(8, np.int8), (4, np.uint8)])
@settings(deadline=None)
@given(table=hnp.arrays(np.float32, (5, 8), elements=st.floats(-100, 100, width=32)))
def test_a_row_errs_no_more_than_with_its_largest_weight_as_last_step(
    tmp_path_factory, bits, kind, table
):
    rows, scales = quantise(table, bits)
    assert rows.dtype == kind
    folder = tmp_path_factory.mktemp("table")
    read = read_back(folder, {"embeddings": rows, "scales": scales})
    last = np.abs(table).max(axis=1, keepdims=True)
    steps = last / (127 if bits == 8 else 7)
    plain = np.rint(np.divide(table, steps, out=np.zeros_like(table), where=steps > 0)) * steps
    worst = np.linalg.norm(table - plain, axis=1) + 1e-4 * last[:, 0]
    assert (np.linalg.norm(table - read, axis=1) <= worst).all()


@settings(deadline=None, max_examples=25)
@given(table=hnp.arrays(np.float32, (9, 8), elements=st.floats(-100, 100, width=32)))
def test_rows_fewer_than_the_entries_of_a_codebook_stay_as_they_are(tmp_path_factory, table):
    table = np.where(np.abs(table) < 1e-3, np.float32(0), table)
    read = read_back(tmp_path_factory.mktemp("table"), pack(table, 2))
    largest = np.linalg.norm(table, axis=1, keepdims=True)
    assert (np.abs(read - table) <= 2e-3 * largest + 1e-6).all()


def test_codebooks_err_less_than_steps_of_as_many_bits(tmp_path):
    sizes = np.repeat([4.0, 1.0], 16)
    table = np.random.default_rng(0).normal(size=(5000, 32)).astype(np.float32) * sizes
    table = table.astype(np.float32)
    read = read_back(tmp_path, pack(table, 2))
    # Of a normal variable, the best four steps leave 0.119 of the variance (Max, "Quantizing for
    # minimum distortion", 1960).
    assert np.square(read - table).sum() < 0.1 * np.square(table).sum()
    # Small dimensions err less than large ones, but the large ones less of what they are.
    kept = 1 - np.square(read - table).sum(axis=0) / np.square(table).sum(axis=0)
    assert kept[:16].min() > kept[16:].max()


def test_refined_rows_err_less_and_leave_the_others_as_they_are(tmp_path):
    table = np.random.default_rng(0).normal(size=(3000, 32)).astype(np.float32)
    table[5] = 0
    some = np.array([2999, 5, 17, *range(100, 600)])
    plain, refined = (read_back(tmp_path, pack(table, 2, refined=ids)) for ids in (None, some))
    assert refined.shape == table.shape
    others = np.setdiff1d(np.arange(len(table)), some)
    assert np.array_equal(plain[others], refined[others])
    assert not refined[5].any()

    def error(read):
        return np.square(read - table)[some].sum()

    # Twice the bits leave about the square of what is left; the books were not made for the rest.
    before = error(plain) / np.square(table[some]).sum()
    assert error(refined) < 2.5 * before * error(plain)


def test_coarse_rows_take_half_the_room_and_leave_the_others_as_they_are(tmp_path):
    table = np.random.default_rng(0).normal(size=(24000, 16)).astype(np.float32)
    few, table[16] = np.arange(0, 24000, 2), 0
    others, refined = np.setdiff1d(np.arange(len(table)), few), np.array([7, 9])
    tensors = pack(table, 2, coarse=few, refined=refined)
    mixed = read_back(tmp_path, tensors)
    assert mixed.shape == table.shape
    alone = pack(table[others], 2, refined=np.array([3, 4]))
    assert np.array_equal(mixed[others], read_back(tmp_path, alone))
    assert not mixed[16].any()
    assert tensors["coarse_codes"].nbytes * 2 == tensors["embeddings"][:-2].nbytes
    lengths = [np.linalg.norm(some[few], axis=1) for some in (table, mixed)]
    assert np.allclose(*lengths, rtol=2e-3)
    # A normal variable in one bit a weight leaves 0.363 of the variance by steps (Max, as above),
    # and 1/4 at the least (the rate distortion function).
    left = np.square(mixed - table)[few].sum() / np.square(table[few]).sum()
    assert 0.25 < left < 0.34


def test_scales_too_small_for_float16_are_kept(tmp_path):
    table = np.random.default_rng(0).normal(size=(9, 8)).astype(np.float32)
    table[0] *= 1e-7
    assert np.allclose(read_back(tmp_path, pack(table, 2)), table, rtol=2e-2, atol=1e-9)


def test_codebooks_do_not_depend_on_anything_but_rows_and_seed():
    table = np.random.default_rng(0).normal(size=(600, 16)).astype(np.float32)
    table[7] = 0
    codes, scales, books = encode_products(table, seed=3)
    assert (codes.shape, books.shape) == ((600, 4), (4, 256, 4))
    assert scales[7] == 0
    for one, other in zip((codes, scales, books), encode_products(table, seed=3), strict=True):
        assert np.array_equal(one, other)
    assert not np.array_equal(codes, encode_products(table, seed=4)[0])
