"""The reject file: one line of JSON for each record that is no document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO

from rolevec.indexing.sources import Rejected


class RejectFile:
    """Written anew by each run; the first record makes it, so a clean run leaves none.

    Args:
        path: None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._file: IO[str] | None = None
        if path is not None:
            path.unlink(missing_ok=True)

    def add(self, rejected: Rejected) -> None:
        """Write one line; what JSON cannot hold stands in it as text."""
        if self.path is None:
            return
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Lone surrogates are a reason to be rejected, so the file must be able to hold them.
            self._file = self.path.open("w", encoding="ascii", buffering=1)
        line = {"where": rejected.where, "reason": rejected.reason, "record": rejected.record}
        try:
            text = json.dumps(line, default=repr)
        except (ValueError, TypeError, RecursionError):
            text = json.dumps({**line, "record": repr(rejected.record)})
        self._file.write(text + "\n")

    def close(self) -> None:
        """Close the file; twice is no error."""
        if self._file is not None:
            self._file.close()
            self._file = None
