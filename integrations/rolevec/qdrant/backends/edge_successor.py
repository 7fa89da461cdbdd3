"""A second shard in an Edge collection's folder, and how it takes the place of the first.

``rolevec.json`` says which shard is the collection and which encoder made it, so one atomic rename
replaces both. Until then ``migration.json`` is the record of the second shard. Killed after the
rename, that file is left behind and names the shard that is the collection already: it is removed
by whoever looks next.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from rolevec.qdrant.backends.shards import (
    MIGRATION,
    SIDECAR,
    Shard,
    read_file,
    replace_open,
    write_file,
)


def next_shard(shard: Shard, *, begin: bool = False) -> Shard | None:
    """The second shard, open for one user.

    Args:
        shard: the first.
        begin: there is none; prepare one that is to be created.

    Returns:
        None if there is none, or none that was made to the end.
    """
    record = _next_record(shard)
    if record is None and not begin:
        return None
    found = Shard(shard.folder, sidecar=MIGRATION, name=_free_name(shard.folder), lock=shard.lock)
    found.users = 1
    if begin or found.exists:
        return found
    found.close()
    return None


def discard_next(shard: Shard) -> None:
    """Remove the second shard, which nobody may have open."""
    record = _next_record(shard)
    if record is None:
        return
    path = shard.folder / MIGRATION
    # Killed half-way, what is left must not be taken for whole.
    write_file(path, {**record, "unfinished": True})
    shutil.rmtree(shard.folder / record["shard"], ignore_errors=True)
    path.unlink()


def promote(old: Shard, new: Shard) -> None:
    """Make ``new`` the collection; nobody may write to ``old`` meanwhile or after."""
    assert old.record is not None
    assert new.record is not None
    old.call(lambda shard: shard.flush())
    new.call(lambda shard: shard.flush())
    new.old = [*old.old, {**old.record, "shard": old.name}]
    new.sidecar = SIDECAR
    try:
        new.write_record(new.record)
    except BaseException:
        new.old, new.sidecar = [], MIGRATION
        raise
    old.superseded = old.gate.moved = True
    replace_open(old, new)
    (new.folder / MIGRATION).unlink(missing_ok=True)


def drop_old(shard: Shard) -> int:
    """Remove the shards that this one replaced; returns how many there were."""
    dropped = len(shard.old)
    for record in shard.old:
        folder = shard.folder / record["shard"]
        if folder.exists():  # not so after a kill half-way
            shutil.rmtree(folder)
    if dropped and shard.record is not None:
        shard.old = []
        shard.write_record(shard.record)
    return dropped


def _next_record(shard: Shard) -> dict[str, Any] | None:
    path = shard.folder / MIGRATION
    record = read_file(path)
    if record is not None and record.get("shard") == shard.name:
        path.unlink()
        return None
    return record


def _free_name(folder: Path) -> str:
    number = 2
    while (folder / f"shard-{number}").exists():
        number += 1
    return f"shard-{number}"
