"""Short texts in hundreds of languages out of a training folder, as JSON lines.

The folder holds ``parallel-*.tsv.xz``: English, language, the same in that language, source. The
texts are of the third column, no text twice; which ones is decided by a hash of each, so that a
sample of any size is spread over everything, and is the same on every machine.
"""

import argparse
import json
import lzma
import tempfile
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import numpy as np

# Where corpora are kept from one run to the next.
WORK = Path(tempfile.gettempdir()) / "rolevec-ingest"


def arguments(doc: str | None, out: Path) -> argparse.ArgumentParser:
    """What a script over such a folder is told: the folder, --work and --out."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--out", type=Path, default=out)
    return parser


def corpus(data: Path, work: Path, count: int, queries: int = 0) -> tuple[Path, Path]:
    """Files of ``count`` documents and of ``queries`` other texts; made once for a folder.

    Args:
        data: the training folder.
        work: where the files go.
    """
    documents, questions = (
        work / f"{n}.jsonl" for n in (f"corpus-{count}", f"queries-{count}-{queries}")
    )
    if documents.exists() and questions.exists():
        return documents, questions
    work.mkdir(parents=True, exist_ok=True)
    digests = np.unique(np.fromiter((d for d, _, _ in rows(data)), np.uint64))
    if len(digests) < count + queries:
        raise SystemExit(f"{data} holds {len(digests):,} texts, not {count + queries:,}")
    last = digests[count - 1], digests[count + queries - 1]
    parts = [path.with_suffix(".part") for path in (documents, questions)]
    seen: set[int] = set()
    with parts[0].open("w", encoding="utf-8") as corpus, parts[1].open("w", encoding="utf-8") as q:
        for digest, text, language in rows(data):
            if digest <= last[1] and digest not in seen:
                seen.add(digest)
                record = {"id": str(len(seen)), "text": text, "lang": language}
                line = json.dumps(record, ensure_ascii=False) + "\n"
                (corpus if digest <= last[0] else q).write(line)
    for part, path in zip(parts, (documents, questions), strict=True):
        part.replace(path)
    return documents, questions


def rows(data: Path) -> Iterator[tuple[int, str, str]]:
    """Hash, text and language of every row."""
    files = sorted(data.glob("parallel-*.tsv.xz"))
    if not files:
        raise SystemExit(f"{data} holds no parallel-*.tsv.xz")
    for file in files:
        with lzma.open(file, "rt", encoding="utf-8", newline="\n") as lines:
            for line in lines:
                _, language, text, _ = line.rstrip("\n").split("\t")
                digest = blake2b(text.encode(), digest_size=8).digest()
                yield int.from_bytes(digest, "little"), text, language


def read(path: Path) -> list[dict[str, str]]:
    """All records of a file."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
