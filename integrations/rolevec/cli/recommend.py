"""`rolevec recommend`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rolevec.cli.options import (
    collection_options,
    k_option,
    open_for_reading,
    where_option,
)
from rolevec.cli.output import print_hits
from rolevec.ranking.profile import Profile


@click.command()
@click.argument("liked", nargs=-1)
@click.option(
    "--unlike", "-u", multiple=True, help="What the hits should not be like; may be repeated."
)
@click.option("--exclude", multiple=True, metavar="ID", help="Leave out; may be repeated.")
@click.option(
    "--exclude-file",
    type=click.File(encoding="utf-8"),
    help="File of ids to leave out, one a line; - is standard input.",
)
@click.option(
    "--diversity",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="How unlike each other the hits should be.",
)
@click.option(
    "--profile",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of a user's profile: LIKED and --unlike are put into it, and the hits go by it.",
)
@click.option(
    "--decay",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="With --profile: what the weights so far are multiplied by.",
)
@collection_options
@k_option
@where_option
def command(
    liked: tuple[str, ...],
    unlike: tuple[str, ...],
    exclude: tuple[str, ...],
    exclude_file: Any,
    diversity: float,
    path: Path | None,
    decay: float,
    model: str,
    store: str,
    collection: str,
    dimensions: int | None,
    as_json: bool,
    k: int,
    where: dict[str, Any] | None,
) -> None:
    """Find documents like LIKED: ids of documents, which are left out, or texts."""
    if not liked and path is None:
        raise click.UsageError("name something LIKED, or a --profile")
    lines = [] if exclude_file is None else exclude_file.read().splitlines()
    options: dict[str, Any] = {
        "k": k,
        "where": where,
        "diversity": diversity,
        "exclude": [*exclude, *filter(None, lines)],
    }
    with open_for_reading(collection, model, store, dimensions) as opened:
        if path is None:
            hits = opened.recommend(liked, unlike, **options)
        else:
            profile = Profile.load(path) if path.exists() else None
            if liked or unlike:
                profile = opened.update_profile(profile, liked, unlike, decay=decay)
            if profile is None:
                raise click.UsageError(f"there is no profile {path} yet; name something LIKED")
            hits = opened.recommend(profile, **options)
            profile.save(path)
        print_hits(hits, as_json=as_json)
