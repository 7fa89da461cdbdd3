"""Ray on one machine: the same collection as one process, with and without actors killed.

    python benchmarks/ray_kills.py [FOLDER] [--documents 20000] [--workers 2] [--kills 10]

FOLDER holds the texts (as for `rolevec index`); without one they are made up, from a fixed seed.
Three collections on Qdrant Edge, with the bundled model: one process, Ray undisturbed, Ray with an
actor killed (SIGKILL) at random places of the plan. Each is compared whole with the first: ids,
payloads, the bytes of the vectors. A last run over the third must encode nothing. Counts the
documents that the actors encoded. A statement about correctness, not about speed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psutil
from harness import machine

from rolevec import Collection, Document, index_corpus, load_encoder
from rolevec.indexing.ray import RayOptions
from rolevec.indexing.sources import FileCorpus

RESULT = Path(__file__).parent / "results" / "ray_kills"
BATCH_TOKENS = 4096
WORDS = "river stone light winter garden letter market bridge forest music train harbour"


class Logged:
    """Makes the bundled encoder; each of its texts leaves a byte in the actor's own file."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self):
        encoder = load_encoder("light", truncation="end")
        log = os.open(f"{self.folder}/{os.getpid()}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        encode = encoder._rows

        def logged(texts, *rest):
            os.write(log, b"." * len(texts))
            return encode(texts, *rest)

        encoder._rows = logged
        return encoder


def documents(folder: Path | None, count: int) -> Iterator[Document]:
    if folder is not None:
        yield from islice(FileCorpus(folder, on_reject=lambda _: None), count)
        return
    chance = random.Random(0)
    for number in range(count):
        text = " ".join(chance.choices(WORDS.split(), k=chance.randint(5, 40)))
        yield Document(f"{text} {number}", str(number), {"number": number})


def contents(collection: Collection) -> dict:
    return {
        point.id: (json.dumps(point.payload, sort_keys=True), point.vector.tobytes())
        for point in collection.scroll_points(with_vectors=True)
    }


def actors() -> list[psutil.Process]:
    """Ray's actors below this process."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "".join(process.cmdline()[:1]).startswith("ray::EncodingActor"):
                found.append(process)
        except psutil.Error:  # gone meanwhile
            continue
    return found


def killing(given: Iterator[Document], count: int, kills: int, done: list[int]) -> Iterator:
    """The documents; at random places among them an actor is killed."""
    chance = random.Random(1)
    places = set(chance.sample(range(count // 10, count), kills))
    for number, document in enumerate(given):
        if number in places:
            while not (found := actors()):
                time.sleep(0.05)
            chance.choice(found).kill()
            done.append(number)
        yield document


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=10)
    options = parser.parse_args()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    rows: dict[str, dict] = {}

    with tempfile.TemporaryDirectory() as root:
        encoder = load_encoder("light", truncation="end")

        def run(name: str, backend: str, kills: int = 0, collection: str = "") -> dict:
            logs, done = Path(root, "logs", name), list[int]()
            logs.mkdir(parents=True)
            given: dict = {"batch_tokens": BATCH_TOKENS, "progress": False, "source": "corpus"}
            if backend == "ray":
                ray = RayOptions(encoder=Logged(str(logs)), attempts=options.kills + 4)
                given |= {"backend": "ray", "workers": options.workers, "ray": ray}
            corpus = documents(options.folder, options.documents)
            with Collection.open(collection or name, encoder, store=f"{root}/store") as opened:
                watched = killing(corpus, options.documents, kills, done)
                report = index_corpus(watched, opened, **given)
                found = contents(opened)
            encoded = sum(file.stat().st_size for file in logs.iterdir())
            rows[name] = {
                "written": report.added,
                "unchanged": report.unchanged,
                "points": len(found),
                "killed_at": done,
                "encoded": encoded if backend == "ray" else report.added,
                "same": found == reference if reference else True,
            }
            print(name, rows[name], flush=True)
            return found

        reference: dict = {}
        reference = run("one process", "local")
        run("Ray", "ray")
        run("Ray, actors killed", "ray", options.kills)
        run("Ray, again", "ray", collection="Ray, actors killed")

    result = {"machine": machine(), "workers": options.workers, "runs": rows}
    RESULT.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    RESULT.with_suffix(".md").write_text(page(rows, options))


def page(rows: dict[str, dict], options: argparse.Namespace) -> str:
    lines = [
        "# Ray on one machine, with actors killed",
        "",
        f"`benchmarks/ray_kills.py`: {rows['one process']['points']:,} documents, bundled model,"
        f" Qdrant Edge, {options.workers} actors, batches of {BATCH_TOKENS} tokens. Same: ids,"
        " payloads and the bytes of all vectors equal those of one process. Encoded beyond the"
        " documents are the batches that were under way at a kill.",
        "",
        "| run | kills | written | encoded | points | same |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for name, row in rows.items():
        lines.append(
            f"| {name} | {len(row['killed_at'])} | {row['written']:,} | {row['encoded']:,} |"
            f" {row['points']:,} | {'yes' if row['same'] else 'NO'} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
