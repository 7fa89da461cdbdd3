import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from rolevec.encoders.table import TokenTable
from rolevec.errors import ModelNotAvailable
from rolevec.training.quantising import pack

ROWS = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)


def write(path, rows=ROWS, kind="f32"):
    if kind[0] == "i":
        refined = np.array([0, 7, 49]) if "refined" in kind else None
        coarse = np.array([48, 3, 9, 5]) if "coarse" in kind else None
        save_file(pack(rows, int(kind[1]), refined=refined, coarse=coarse), path)
    else:
        save_file({"embeddings": rows.astype(np.float16 if kind == "f16" else np.float32)}, path)
    return TokenTable(path)


CODED = ["i2", "i2 refined", "i2 coarse", "i2 refined and coarse"]


@pytest.mark.parametrize("kind", ["f32", "f16", "i8", "i4", *CODED])
def test_sums_are_those_of_the_rows_within_rounding(tmp_path, kind):
    table = write(tmp_path / "t.safetensors", kind=kind)
    assert (table.vocabulary, table.dim) == ROWS.shape
    ids = np.array([3, 3, 49, 0, 7, 8, 9])
    sums = table.sums(ids, np.array([0, 1, 3]))
    steps = {"f32": 1e-6, "f16": 1e-3, "i8": 0.5 / 127, "i4": 0.5 / 7, "i2": 2e-3}
    step = steps[kind[:3].strip()] * np.abs(ROWS).max()
    for got, group in zip(sums, ([3], [3, 49], [0, 7, 8, 9]), strict=True):
        assert np.allclose(got, ROWS[group].sum(axis=0), atol=len(group) * step + 1e-6)


def test_no_groups_have_no_sums(tmp_path):
    table = write(tmp_path / "t.safetensors")
    nothing = np.zeros(0, np.int64)
    assert table.sums(nothing, nothing).shape == table.means(nothing, nothing).shape == (0, 16)


@pytest.mark.parametrize("ridge", [None, 1.0])
@pytest.mark.parametrize("kind", ["i4", *CODED])
@settings(deadline=None, max_examples=30)
@given(
    lengths=st.lists(st.integers(1, 60) | st.sampled_from([2047, 2048, 2049, 5000]), min_size=1),
    seed=st.integers(0, 9),
)
def test_a_mean_does_not_depend_on_its_neighbours(tmp_path_factory, kind, ridge, lengths, seed):
    table = write(tmp_path_factory.mktemp("table") / "t.safetensors", kind=kind)
    ids = np.random.default_rng(seed).integers(0, 50, sum(lengths))
    starts = np.cumsum(lengths) - lengths
    together = table.means(ids, starts, ridge=ridge)
    for start, length, row in zip(starts, lengths, together, strict=True):
        alone = table.means(ids[start : start + length], np.array([0]), ridge=ridge)
        assert np.array_equal(row, alone[0])


@pytest.mark.parametrize("kind", ["i8", "i4", *CODED])
def test_overlap_is_that_of_the_rows_as_they_are(tmp_path, kind):
    table = write(tmp_path / "t.safetensors", kind=kind)
    plain = table.sums(np.arange(50), np.arange(50))
    save_file({"embeddings": plain}, tmp_path / "plain.safetensors")
    ids, starts = np.array([3, 4, 49, 0, 7, 8, 9]), np.array([0, 1, 3])
    both = [
        t.means(ids, starts, ridge=1.0) for t in (table, TokenTable(tmp_path / "plain.safetensors"))
    ]
    assert np.allclose(*both, atol=1e-5)
    assert not np.allclose(both[0], table.means(ids, starts), atol=1e-2)


def refined(numbers, scales=4):
    return {
        "embeddings": np.zeros((4, 4), np.uint8),
        "codebooks": np.zeros((4, 256, 4), np.float16),
        "scales": np.ones(scales, np.float32),
        "refined": np.array(numbers, np.int32),
    }


def coarse(**changed):
    tensors = {
        "embeddings": np.zeros((4, 4), np.uint8),
        "codebooks": np.zeros((4, 256, 4), np.float16),
        "coarse": np.packbits([True, False] * 4),
        "coarse_codes": np.zeros((4, 2), np.uint8),
        "coarse_codebooks": np.zeros((2, 256, 8), np.float16),
    } | changed
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"other": ROWS}, "no two-dimensional tensor"),
        ({"embeddings": ROWS[0]}, "no two-dimensional tensor"),
        ({"embeddings": np.zeros((4, 4), np.uint8)}, "without their scales"),
        (
            {"embeddings": np.zeros((4, 4), np.uint8), "codebooks": np.zeros((3, 256, 4), "f4")},
            r"codebooks of shape \(3, 256, 4\) for uint8 codes of shape \(4, 4\)",
        ),
        ({"embeddings": np.zeros((4, 4), np.int64)}, "cannot read the table"),
        (refined([0], scales=3), "without a scale for every coded row"),
        (refined(1), r"refined rows as int32 of shape \(\)"),
        (refined([1.0]) | {"refined": np.ones(1, np.float32)}, "refined rows as float32"),
        (refined([]), "outside the 4 rows"),
        (refined([1, 3]), "outside the 2 rows"),
        (refined([-1]), "outside the 3 rows"),
        (coarse(coarse_codes=None), "without their codes"),
        (coarse(coarse_codes=np.zeros(4, np.uint8)), "without their codes"),
        (coarse(coarse_codebooks=None), "without their codes or codebooks"),
        (
            coarse(coarse_codebooks=np.zeros((4, 256, 4), np.float16)),
            r"coarse_codebooks of shape \(4, 256, 4\) for uint8 codes of shape \(4, 2\)",
        ),
        (coarse(coarse=np.ones(8, np.int8)), "marks of coarse rows as int8"),
        (coarse(coarse=np.packbits([True, False, False, False] * 2)), "4 coarse rows, where 2"),
        (
            coarse(
                coarse_codes=np.zeros((4, 1), np.uint8),
                coarse_codebooks=np.zeros((1, 256, 8), np.float16),
            ),
            "1 codes a coarse row beside 4",
        ),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, tensors, message):
    path = tmp_path / "t.safetensors"
    save_file(tensors, path)
    with pytest.raises(ModelNotAvailable, match=message):
        TokenTable(path)
    path.write_bytes(b"\x07")
    with pytest.raises(ModelNotAvailable, match="cannot read the table"):
        TokenTable(path)
