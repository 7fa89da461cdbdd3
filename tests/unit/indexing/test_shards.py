"""Vectors on their way to a collection, as Parquet files."""

import pytest

from rolevec import Document, index_corpus
from rolevec.errors import CollectionMismatch, RolevecError
from rolevec.indexing.shards import shard_files, write_shard
from rolevec.qdrant.bulk import PointMaker
from rolevec.testing import FakeEncoder


def corpus(count):
    for n in range(count):
        yield Document(f"text {n} " * (n % 9 + 1), str(n), {"n": n, "odd": 0.1 + 0.2 + n})


class Mute:
    """An encoder that must not encode."""

    def __init__(self, encoder):
        self._encoder = encoder

    def __getattr__(self, name):
        assert not name.startswith(("encode", "aencode"))
        return getattr(self._encoder, name)


def test_shards_are_loaded_without_an_encoder(store, contents, tmp_path, light):
    shards = tmp_path / "shards"
    shards.mkdir()
    documents = list(corpus(300))
    first = store("first")
    index_corpus(documents, first, progress=False)
    maker = PointMaker(light, first.dim)
    for number in range(3):
        points = maker.encode(documents[100 * number : 100 * number + 100])[0]
        for _ in range(2):  # a batch that is done again replaces its own
            write_shard(shards, maker.fingerprint, points, f"{number:03}")
    files = shard_files(shards)
    assert len(files) == 3

    encoder = Mute(light)
    second = store("second", encoder=encoder)
    report = index_corpus(shards, second, progress=False)
    assert (report.added, report.tokens) == (300, 0)
    assert contents(second) == contents(first)
    report = index_corpus(shards, second, progress=False)
    assert (report.added, report.unchanged) == (0, 300)
    files[0].unlink()
    report = index_corpus(shards, second, progress=False, sync=True)
    assert report.deleted == 300 - second.count() == 100

    for options in ({"split": 100}, {"backend": "ray"}):
        with pytest.raises(ValueError, match="earlier run"):
            index_corpus(shards, second, progress=False, **options)
    other = store("other", encoder=FakeEncoder(dim=first.dim))
    with pytest.raises(CollectionMismatch, match="model"):
        index_corpus(shards, other, progress=False)
    assert other.count() == 0
    files[1].write_bytes(b"no Parquet")
    with pytest.raises(RolevecError, match=files[1].name):
        index_corpus(shards, second, progress=False)


def test_the_last_shard_counts(store, tmp_path, light):
    """A later run's shards come after an earlier one's, whatever they are called."""
    collection = store()
    maker = PointMaker(light, collection.dim)
    for order in ("3", "1", "2"):
        points = maker.encode([Document(f"version {order}", "a")])[0]
        write_shard(tmp_path, maker.fingerprint, points, order)
    index_corpus(tmp_path, collection, progress=False)
    assert collection.get("a")[0].text == "version 3"
