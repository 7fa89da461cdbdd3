"""`rolevec index` for servers and clusters."""

import pytest
from click.testing import CliRunner

from rolevec.cli.main import main


@pytest.fixture
def index(tmp_path):
    (tmp_path / "one.txt").write_text("der Fuchs")

    def call(*options, store=None):
        place = store or str(tmp_path / "store")
        arguments = ["index", str(tmp_path / "one.txt"), "--store", place, *options]
        return CliRunner().invoke(main, arguments)

    return call


def test_a_server_is_told_how_to_spread(index, qdrant_server):
    options = ["--shard-number", "3", "--replication-factor", "2", "--shard-key", "source"]
    done = index(*options, "--on-disk-vectors", store=qdrant_server.url)
    assert done.exit_code == 0, done.output
    (body,) = qdrant_server.sent("PUT", "/collections/documents")
    assert (body["shard_number"], body["replication_factor"]) == (3, 2)
    assert body["vectors"]["on_disk"] is True
    assert [b["shard_key"] for b in qdrant_server.sent("PUT", "/points")] == ["one.txt"]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--replication-factor", "2"], 1, "replication_factor"),
        (["--write-consistency-factor", "2"], 1, "write_consistency_factor"),
        (["--gpus-per-worker", "1"], 2, "--backend ray"),
        (["--shards", "somewhere"], 2, "--backend ray"),
        (["--backend", "spark"], 2, "spark"),
    ],
)
def test_what_does_not_go_together(index, options, code, words):
    done = index(*options)
    assert done.exit_code == code
    assert words in done.output
