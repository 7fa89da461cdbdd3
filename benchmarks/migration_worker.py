"""The process of `migration.py` that is killed: migrates a collection under readers and a writer.

It tells what it does in lines of JSON on standard output, each written at once, so that nothing of
what was acknowledged is lost with it.
"""

import argparse
import json
import random
import resource
import threading
import time
from pathlib import Path

import numpy as np

from rolevec import Collection, Document, load_encoder
from rolevec.roles import Role

K = 10
# A score read back differs from one computed here by rounding only.
TOLERANCE = 1e-3
TELLING = threading.Lock()


def say(kind, **values):
    with TELLING:
        print(json.dumps({"kind": kind, "at": time.monotonic(), **values}), flush=True)


class Telling:
    """An encoder that tells how many documents it has encoded."""

    def __init__(self, encoder):
        self._encoder, self._done = encoder, 0

    def __getattr__(self, name):
        return getattr(self._encoder, name)

    def encode_with_report(self, texts, role, **options):
        encoded = self._encoder.encode_with_report(texts, role, **options)
        if role is Role.DOCUMENT:
            self._done += len(texts)
            say("encoded", count=self._done)
        return encoded


class Truth:
    """What searches must find, by exact arithmetic over the documents that do not change."""

    def __init__(self, folder, encoder, name, texts):
        rows = np.load(folder / f"{name}.npy", mmap_mode="r")
        queries = json.loads((folder / "queries.json").read_text("utf-8"))
        self.rows, self.texts = rows, texts
        self.queries = dict(zip(queries, encoder.encode_queries(queries), strict=True))
        # Sorted once here: a reader has no time to.
        self.best = {q: self._nearest(v) for q, v in self.queries.items()}

    def _nearest(self, vector):
        scores = self.rows @ vector
        top = np.argpartition(-scores, K)[:K]
        return {f"d-{i}": float(scores[i]) for i in top}

    def faults(self, query, hits):
        """What is wrong with an answer, and the share of the true nearest in it."""
        if len(hits) != K:
            return f"{len(hits)} hits", 0.0
        vector = self.queries[query]
        steady = [hit for hit in hits if hit.id.startswith("d-")]
        for hit in steady:
            place = int(hit.id[2:])
            if hit.text != self.texts[place]:
                return f"{hit.id} has another text", 0.0
            if abs(hit.score - float(self.rows[place] @ vector)) > TOLERANCE:
                return f"{hit.id} has a score of another encoder", 0.0
        # What the writer adds may push a true neighbour out; it is no document of the truth.
        wanted = sorted(self.best[query], key=self.best[query].get, reverse=True)[: len(steady)]
        found = {hit.id for hit in steady}
        return "", sum(i in found for i in wanted) / max(1, len(wanted))


def read(collection, truths, seed, done):
    """Search until told to stop; every answer is held against the encoder it came from."""
    choose = random.Random(seed)
    queries = list(truths[0].queries)
    answers, recalls, faults = 0, [], []
    last = time.monotonic()
    while True:
        stop = done.is_set()
        query = choose.choice(queries)
        before = collection.dim
        try:
            hits = collection.search(query, k=K)
        except Exception as error:
            faults.append(f"{type(error).__name__}: {error}")
            hits = None
        after = collection.dim
        if hits is not None:
            judged = [t.faults(query, hits) for t in truths if t.rows.shape[1] in {before, after}]
            fault, recall = min(judged, key=lambda judgement: (judgement[0] != "", -judgement[1]))
            answers += 1
            recalls.append(recall)
            if fault:
                faults.append(fault)
        if stop or time.monotonic() - last > 0.2:
            say("read", answers=answers, recall=sum(recalls), least=min(recalls, default=1.0),
                faults=faults, dim=after)  # fmt: skip
            answers, recalls, faults, last = 0, [], [], time.monotonic()
        if stop:
            return


def write(collection, start, done):
    """Add documents and delete some of them, telling before and after."""
    number = start
    while not done.is_set():
        say("adding", id=f"w-{number}")
        collection.add([Document(f"A note written meanwhile, number {number}.", f"w-{number}")])
        say("added", id=f"w-{number}")
        if number % 4 == 3:
            say("deleting", id=f"w-{number - 2}")
            collection.delete([f"w-{number - 2}"])
            say("deleted", id=f"w-{number - 2}")
        number += 1
        time.sleep(0.02)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--old-dim", type=int, required=True)
    parser.add_argument("--first-note", type=int, required=True)
    parser.add_argument("--after", type=float, default=3.0, help="seconds to read after the switch")
    options = parser.parse_args()
    texts = json.loads((options.folder / "texts.json").read_text("utf-8"))
    old, new = load_encoder("light", dimensions=options.old_dim), load_encoder("light")
    truths = [Truth(options.folder, e, n, texts) for e, n in ((old, "old"), (new, "new"))]
    done = threading.Event()
    with Collection.open("c", old, store=options.folder / "store", create=False) as collection:
        threads = [
            *(threading.Thread(target=read, args=(collection, truths, s, done)) for s in (1, 2)),
            threading.Thread(target=write, args=(collection, options.first_note, done)),
        ]
        for thread in threads:
            thread.start()
        say("start")
        report = collection.migrate(Telling(new))
        say("report", **report.to_dict())
        time.sleep(options.after)
        done.set()
        for thread in threads:
            thread.join()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    say("end", peak_mib=peak / 1024)


if __name__ == "__main__":
    main()
