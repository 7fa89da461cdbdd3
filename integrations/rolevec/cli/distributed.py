"""Options of `rolevec index` for more than one process or machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from rolevec.encoders.protocol import Encoder
from rolevec.indexing.ray import RayOptions
from rolevec.qdrant.placement import ServerOptions

F = TypeVar("F", bound=Callable[..., Any])

_COUNT = click.IntRange(min=1)

_OPTIONS = (
    click.option(
        "--workers",
        type=_COUNT,
        default=1,
        show_default=True,
        help="Batches encoded at once; with --backend ray, actors with an encoder each.",
    ),
    click.option(
        "--backend",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Where texts are encoded: in this process, or by actors of Ray.",
    ),
    click.option(
        "--ray-address",
        metavar="ADDRESS",
        help="Of a Ray cluster; RAY_ADDRESS by default, and without it Ray on this machine.",
    ),
    click.option(
        "--cpus-per-worker", type=click.FloatRange(min=0), default=1.0, help="With --backend ray."
    ),
    click.option(
        "--gpus-per-worker", type=click.FloatRange(min=0), default=0.0, help="With --backend ray."
    ),
    click.option(
        "--shards",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder that all of Ray's machines see, by which vectors come to an embedded store.",
    ),
    click.option("--keep-shards", is_flag=True, help="Leave the vectors in --shards."),
    click.option("--shard-number", type=_COUNT, help="Parts of a new collection on a server."),
    click.option("--replication-factor", type=_COUNT, help="Copies of each part."),
    click.option("--write-consistency-factor", type=_COUNT, help="Copies that a write waits for."),
    click.option(
        "--shard-key", metavar="FIELD", help="Metadata field that names the part of a document."
    ),
    click.option("--on-disk-vectors", is_flag=True, default=None, help="Keep vectors on the disk."),
    click.option("--on-disk-graph", is_flag=True, default=None, help="And the search index."),
)
_RAY = ("ray_address", "cpus_per_worker", "gpus_per_worker", "shards", "keep_shards")
_SERVER = (
    "shard_number", "replication_factor", "write_consistency_factor", "shard_key",
    "on_disk_vectors", "on_disk_graph",
)  # fmt: skip


def distributed_options(function: F) -> F:
    """Add the options of Ray and of servers."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def taken_ray(options: dict[str, Any], encoder: Callable[[], Encoder]) -> RayOptions | None:
    """Take the options of Ray out of those given.

    Args:
        options: as click gave them; left with what `index_corpus` knows.
        encoder: makes an actor's encoder.

    Raises:
        click.UsageError: they are given without ``--backend ray``.
    """
    address, cpus, gpus, shards, keep = (options.pop(name) for name in _RAY)
    if options["backend"] == "ray":
        return RayOptions(address, cpus, gpus, encoder, shards, keep)
    source = click.get_current_context().get_parameter_source
    given = [name for name in _RAY if source(name) is click.core.ParameterSource.COMMANDLINE]
    if given:
        raise click.UsageError(f"--{given[0].replace('_', '-')} goes with --backend ray")
    return None


def taken_server(options: dict[str, Any]) -> ServerOptions | None:
    """Take the options of a server out of those given; None if there are none."""
    server = ServerOptions(**{name: options.pop(name) for name in _SERVER})
    return server if server.given() else None
