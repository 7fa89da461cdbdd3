"""The vector cache: what is found again, what is not, and who may share a file."""

import os
import pickle
import sqlite3
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rolevec.encoders.caching import CachedEncoder
from rolevec.encoders.protocol import Encoder, ReportingEncoder
from rolevec.errors import InputTooLong, RolevecError
from rolevec.roles import Role
from rolevec.testing import FakeEncoder
from rolevec.truncation import TruncationWarning

TEXTS = ["lazy dog", "brown fox", "lazy dog", "katze"]


class Counting(FakeEncoder):
    """Remembers what it was asked."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.asked = []

    def _rows(self, texts, role, batch_size, advance):
        self.asked += texts
        return super()._rows(texts, role, batch_size, advance)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "vectors.sqlite"


def test_a_text_is_encoded_once_and_found_in_a_new_session(path):
    first, second = Counting(), Counting()
    want = FakeEncoder().encode_queries(TEXTS)
    assert np.allclose(CachedEncoder(first, path).encode_queries(TEXTS), want, atol=1e-6)
    assert first.asked == ["lazy dog", "brown fox", "katze"]
    got = CachedEncoder(second, path).encode_queries([*TEXTS, "new"])
    assert np.allclose(got[:4], want, atol=1e-6)
    assert second.asked == ["new"]


@pytest.mark.parametrize(
    "other",
    [
        {"name": "other"},
        {"prompts": {"query": "q: "}},
        {"dim": 32},
        {"truncation": "start"},
    ],
)
def test_another_encoder_is_never_served(path, other):
    CachedEncoder(Counting(), path).encode_queries(["fox"])
    encoder = Counting(**other)
    got = CachedEncoder(encoder, path).encode_queries(["fox"])
    assert encoder.asked == ["fox"]
    assert np.allclose(got, FakeEncoder(**other).encode_queries(["fox"]), atol=1e-6)


def test_roles_are_kept_apart(path):
    encoder = Counting()
    cached = CachedEncoder(encoder, path)
    for role in Role:
        assert np.allclose(
            cached.encode(["fox"], role), FakeEncoder().encode(["fox"], role), atol=1e-6
        )
    assert encoder.asked == ["fox"] * len(Role)


def test_one_row_serves_every_cut(path):
    CachedEncoder(Counting(), path).encode_documents(["fox"])
    encoder = Counting(dimensions=16)
    cached = CachedEncoder(encoder, path)
    want = FakeEncoder(dimensions=16).encode_documents(["fox"])
    assert np.allclose(cached.encode_documents(["fox"]), want, atol=1e-6)
    assert cached.encode(["fox"], Role.DOCUMENT, dimensions=4).shape == (1, 4)
    assert encoder.asked == []


def test_it_is_a_whole_encoder(path):
    encoder = FakeEncoder()
    cached = CachedEncoder(encoder, path)
    assert isinstance(cached, Encoder)
    assert isinstance(cached, ReportingEncoder)
    assert (cached.name, cached.dim, cached.max_tokens) == ("fake", 64, None)
    assert (cached.fingerprint, cached.card) == (encoder.fingerprint, encoder.card)
    assert cached.count_tokens(["a b"], Role.QUERY) == encoder.count_tokens(["a b"], Role.QUERY)
    assert cached.encode_queries([]).shape == (0, 64)


async def test_async_equals_sync(path):
    cached = CachedEncoder(FakeEncoder(), path)
    assert np.array_equal(await cached.aencode_queries(TEXTS), cached.encode_queries(TEXTS))


def test_reports_and_warnings_do_not_depend_on_the_cache(path):
    texts = ["a b", "a b c d e f", "x"]
    for _ in range(2):
        cached = CachedEncoder(FakeEncoder(max_tokens=4), path)
        with pytest.warns(TruncationWarning, match=r"1 of 3 .*positions 1\)"):
            report = cached.encode_with_report(texts, Role.DOCUMENT).truncation
        assert report.dropped == (0, 3, 0)
        strict = CachedEncoder(FakeEncoder(max_tokens=4, truncation="error"), path)
        with pytest.raises(InputTooLong):
            strict.encode_documents(texts)
        quiet = CachedEncoder(FakeEncoder(max_tokens=4, truncation="end"), path)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert quiet.encode_with_report(texts, Role.DOCUMENT).truncation.dropped == (0, 3, 0)


def test_an_encoder_of_another_make_can_be_cached(path):
    class Outside:
        """Only what the protocol asks for."""

        def __init__(self):
            self._inner = Counting(dimensions=16)

        def __getattr__(self, name):
            if name in ("encode_with_report", "truncation", "prompts", "_rows", "_inner"):
                raise AttributeError(name)
            return getattr(self._inner, name)

    outside = Outside()
    rows = [CachedEncoder(outside, path).encode_queries(["fox", "dog"]) for _ in range(2)]
    assert np.array_equal(*rows)
    assert rows[0].shape == (2, 16)
    assert outside._inner.asked == ["fox", "dog"]


def test_threads_share_an_encoder(path):
    cached = CachedEncoder(FakeEncoder(), path)
    want = FakeEncoder().encode_queries(TEXTS)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: cached.encode_queries(TEXTS), range(32)))
    assert all(np.allclose(rows, want, atol=1e-6) for rows in results)


WORKER = """
import sys
from rolevec.encoders.caching import CachedEncoder
from rolevec.testing import FakeEncoder
cached = CachedEncoder(FakeEncoder(), sys.argv[1])
for i in range(60):
    cached.encode_documents([f"text {i + shift}" for shift in range(5)])
"""


def test_processes_share_a_file(path):
    command = [sys.executable, "-c", WORKER, str(path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    workers = [subprocess.Popen(command, env=environment) for _ in range(4)]
    assert [worker.wait(120) for worker in workers] == [0] * 4
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM vectors").fetchone() == (64,)
    encoder = Counting()
    texts = [f"text {i}" for i in range(64)]
    got = CachedEncoder(encoder, path).encode_documents(texts)
    assert encoder.asked == []
    assert np.allclose(got, FakeEncoder().encode_documents(texts), atol=1e-6)


def test_pickles_before_and_after_use(path):
    cached = CachedEncoder(FakeEncoder(), path)
    before = pickle.loads(pickle.dumps(cached))
    rows = cached.encode_queries(TEXTS)
    for copy in (before, pickle.loads(pickle.dumps(cached))):
        assert np.array_equal(copy.encode_queries(TEXTS), rows)


@pytest.mark.parametrize("content", [b"not a database at all " * 500, b""])
def test_a_file_that_is_no_cache(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    if content:
        with pytest.raises(RolevecError, match=r"vectors\.sqlite.*delete that file"):
            CachedEncoder(FakeEncoder(), path)
        assert path.read_bytes() == content
    else:
        assert len(CachedEncoder(FakeEncoder(), path).encode_queries(["fox"])) == 1


def test_another_programs_database_is_left_alone(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(RolevecError, match="another program"):
        CachedEncoder(FakeEncoder(), path)


@pytest.mark.parametrize("damage", ["substr(vector, 1, 12)", "zeroblob(length(vector))"])
def test_a_damaged_vector_is_refused(path, damage):
    CachedEncoder(FakeEncoder(), path).encode_queries(["fox"])
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE vectors SET vector = {damage}")
    with pytest.raises(RolevecError, match="delete that file"):
        CachedEncoder(FakeEncoder(), path).encode_queries(["fox"])


def test_closing_closes_both(path):
    encoder = FakeEncoder()
    with CachedEncoder(encoder, path):
        pass
    with pytest.raises(RolevecError, match="closed"):
        encoder.encode_queries(["fox"])
