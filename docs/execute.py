"""Run the Python of the README and of the guides, and write down what it prints.

python docs/execute.py [PAGE …]
"""

import contextlib
import gc
import io
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
# The reference is made of docstrings.
DOCS = sorted(p for p in (ROOT / "docs").rglob("*.md") if p.parent.name != "reference")
# A block of Python, and the block of plain text that follows it at once, if one does.
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n+```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """Some code of a page, where it starts, and what the page says that it prints."""

    page: Path
    line: int
    code: str
    output: str

    def printed(self, namespace: dict[str, object]) -> str:
        """What it prints now."""
        # Empty lines in front, so that a traceback names the line of the page.
        compiled = compile("\n" * (self.line - 1) + self.code, str(self.page), "exec")
        with contextlib.redirect_stdout(io.StringIO()) as caught:
            exec(compiled, namespace)
        return caught.getvalue()


def blocks(page: Path) -> list[Block]:
    """All of them, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 2, found[1], found[2] or "")
        for found in BLOCK.finditer(text)
    ]


def updated(page: Path) -> str:
    """The page's text with the output of today, its blocks run in an empty folder."""
    text = page.read_text(encoding="utf-8")
    pieces, done = [], 0
    namespace: dict[str, object] = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for found, block in zip(BLOCK.finditer(text), blocks(page), strict=True):
            if page == README:  # each of its blocks stands alone
                namespace = {"__name__": "__main__"}
                os.chdir(tempfile.mkdtemp(dir=folder))
            printed = block.printed(namespace)
            if found[2]:
                pieces += [text[done : found.start(2)], printed]
                done = found.end(2)
        # What is still open closes while its files are there.
        namespace.clear()
        gc.collect()
    return "".join([*pieces, text[done:]])


def main(names: list[str]) -> None:
    """Of some pages, or of all."""
    for page in [Path(name).resolve() for name in names] or [README, *DOCS]:
        page.write_text(updated(page), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
