"""Killed thirty times, finished all the same: what is in the collection, what was encoded twice.

    python benchmarks/ingest_kills.py FOLDER

FOLDER holds ``parallel-*.tsv.xz`` (see ``ingest_texts.py``). A process loads 200,000 texts into an
embedded collection with `index_corpus` and the bundled model. It is ended with SIGKILL at a random
moment and started again, thirty times, and then left to finish; another one is never disturbed. The
process names the texts of each batch before it encodes them. In the end both collections are read
through: ids, payloads and vectors must be equal, bit by bit.
"""

import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from itertools import zip_longest
from pathlib import Path

from harness import HERE, describe, machine
from ingest_texts import arguments, corpus

# Batches whose vectors may be lost: one that is being written, one that waits for it, one that is
# being encoded.
UNDER_WAY = 3


# --- the process that is killed -----------------------------------------------------------------


def load(store, path):
    """Index the file; before each batch print the numbers of its texts."""
    from rolevec import Collection, index_corpus, load_encoder
    from rolevec.indexing.sources import FileCorpus

    numbers = {}

    def corpus():
        for document in FileCorpus(path):
            numbers[document.text] = document.id
            yield document

    with load_encoder("light", truncation="end") as encoder:
        encode = encoder.encode_with_report

        def told(texts, role, **options):
            print(" ".join(numbers.pop(text) for text in texts), flush=True)
            return encode(texts, role, **options)

        encoder.encode_with_report = told
        with Collection.open("texts", encoder, store=store) as collection:
            report = index_corpus(corpus(), collection, progress=False)
    print(f"report {report.added} {report.unchanged}", flush=True)


# --- the parent ---------------------------------------------------------------------------------


class Attempt:
    """One start of the process; its batches are read while it runs."""

    def __init__(self, store, path, encoded):
        command = [sys.executable, __file__, "--child", str(store), str(path)]
        self.begin = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.encoded, self.largest, self.report = encoded, 0, None
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            words = line.split()
            if words[0] == "report":
                self.report = [int(word) for word in words[1:]]
            elif line.endswith("\n"):
                self.encoded.update(words)
                self.largest = max(self.largest, len(words))

    def kill(self, reached, pause):
        """End it a moment after it has named a batch and ``reached`` documents are encoded."""
        while self.process.poll() is None and not (self.largest and len(self.encoded) >= reached):
            time.sleep(0.005)
        time.sleep(pause)
        self.process.send_signal(signal.SIGKILL)

    def end(self):
        """Wait for it, and say how long it took."""
        self._reader.join()
        self.process.wait()
        return time.perf_counter() - self.begin


def killed(store, path, kills, count):
    """Start it and kill it, over and over, then let it finish.

    Args:
        count: documents; the moments of the kills are spread over the first nine tenths.
    """
    chance = random.Random(11)
    encoded, largest = Counter(), 0
    for reached in [*sorted(chance.sample(range(count * 9 // 10), kills)), None]:
        attempt = Attempt(store, path, encoded)
        if reached is not None:
            attempt.kill(reached, chance.uniform(0, 0.3))
        attempt.end()
        largest = max(largest, attempt.largest)
        if (attempt.report is None) != (reached is not None):
            raise SystemExit(f"the run after {len(encoded):,} documents ended as it should not")
    return encoded, largest


def differences(one, two):
    """How many points are in one collection only or differ, of how many; and a digest of one."""
    from rolevec import Collection, load_encoder

    digest, different, count = hashlib.sha256(), 0, 0
    with (
        load_encoder("light", truncation="end") as encoder,
        Collection.open("texts", encoder, store=one, create=False) as left,
        Collection.open("texts", encoder, store=two, create=False) as right,
    ):
        pairs = zip_longest(*(c.scroll_points(with_vectors=True) for c in (left, right)))
        for pair in pairs:
            one_of, other = (p and _content(p) for p in pair)
            digest.update(one_of or b"")
            different += one_of != other
            count += 1
    return different, count, digest.hexdigest()


def _content(point):
    payload = json.dumps(point.payload, sort_keys=True, ensure_ascii=False)
    return f"{point.id} {payload} ".encode() + point.vector.tobytes()


def report(result):
    return "\n".join([
        f"# {result['documents']:,} documents, killed {result['kills']} times", "",
        "    python benchmarks/ingest_kills.py FOLDER", "", describe(result["machine"]), "",
        f"- An undisturbed run took {result['undisturbed_seconds']:,.0f} s; with"
        f" {result['kills']} kills at random moments and as many new starts it took"
        f" {result['killed_seconds']:,.0f} s.",
        f"- Points that differ in id, payload or vector: {result['different']:,} of"
        f" {result['points']:,}.",
        f"- Documents encoded: {result['encoded']:,}. Encodings of a document beyond its first:"
        f" {result['again']:,}, {result['again_per_kill']:,.0f} per kill; a batch has up to"
        f" {result['largest_batch']:,} documents, and up to {UNDER_WAY} batches are under way.", "",
    ])  # fmt: skip


def main():
    parser = arguments(__doc__, HERE / "results" / "ingest_kills")
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=30)
    options = parser.parse_args()
    path, _ = corpus(options.folder, options.work, options.documents)
    stores = [options.work / name for name in ("undisturbed", "killed")]
    for store in stores:
        shutil.rmtree(store, ignore_errors=True)
    seconds = Attempt(stores[0], path, Counter()).end()
    begin = time.perf_counter()
    kills = options.kills
    encoded, largest = killed(stores[1], path, kills, options.documents)
    killed_seconds = time.perf_counter() - begin
    different, points, digest = differences(*stores)
    again = sum(encoded.values()) - len(encoded)
    result = {
        "documents": options.documents, "kills": kills, "undisturbed_seconds": seconds,
        "killed_seconds": killed_seconds, "different": different, "points": points,
        "sha256": digest, "encoded": len(encoded), "again": again,
        "again_per_kill": again / kills, "largest_batch": largest,
        "most_encodings_of_one": max(encoded.values()), "machine": machine(),
    }  # fmt: skip
    text = json.dumps(result, indent=1) + "\n"
    options.out.with_suffix(".json").write_text(text, encoding="utf-8")
    options.out.with_suffix(".md").write_text(report(result), encoding="utf-8")
    print(report(result))
    for store in stores:
        shutil.rmtree(store)
    return int(different > 0 or points != options.documents or again > kills * UNDER_WAY * largest)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        load(*map(Path, sys.argv[2:]))
    else:
        sys.exit(main())
