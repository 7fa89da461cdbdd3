"""What commands print: JSON for programs, tables for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rolevec.documents import Hit

_SHORTEST_TEXT_COLUMN = 30
_PIPE_WIDTH = 160


def print_json(value: Any) -> None:
    """One JSON value on standard output, in one line."""
    click.echo(json.dumps(value, ensure_ascii=False))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, wide: str = "", title: str = ""
) -> None:
    """A table as wide as the terminal.

    Args:
        columns: headings; one that starts with ">" is a column of numbers.
        rows: cells; text is printed as it is, without markup.
        wide: heading of the column that takes the room that is left, and wraps.
        title: a line above.
    """
    table = Table(box=None, title=title or None, title_justify="left", pad_edge=False)
    for heading in columns:
        name, number = heading.removeprefix(">"), heading.startswith(">")
        least = _SHORTEST_TEXT_COLUMN if name == wide else len(name) if number else None
        table.add_column(
            name,
            justify="right" if number else "left",
            no_wrap=number,
            overflow="fold",
            ratio=1 if name == wide else None,
            min_width=least,
        )
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        # Nobody reads a pipe by its width; a cut cell would be lost to grep.
        console.width = max(console.width, _PIPE_WIDTH)
    console.print(table)


def print_hits(hits: Sequence[Hit], *, as_json: bool) -> None:
    """Hits of a search, best first."""
    if as_json:
        print_json([{**asdict(hit), "metadata": dict(hit.metadata)} for hit in hits])
        return
    if not hits:
        click.echo("Nothing found.", err=True)
        return
    rows = [(f"{hit.score:.3f}", hit.id, one_line(hit.text)) for hit in hits]
    print_table([">score", "id", "text"], rows, wide="text")


def one_line(text: str, most: int = 240) -> str:
    """A text without line breaks, shortened."""
    words = " ".join(text.split())
    return words if len(words) <= most else words[: most - 1] + "…"
