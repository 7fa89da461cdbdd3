"""Migration under load: readers all the time, a writer, two kills, every answer checked.

    python benchmarks/migration.py [FOLDER] [--points 50000]

The bundled model at 256 dimensions is the old encoder, whole it is the new one, on Qdrant Edge. The
process is killed (SIGKILL) at two random moments of the copying and then let finish. Every answer
is checked: each hit has its text and the exact score of the encoder in use at that moment. In the
end, ids, texts, metadata and vectors are compared with what they must be. A statement about
correctness; its seconds are no measurement of speed.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from harness import HERE, machine

from rolevec import Collection, Document, load_encoder
from rolevec.indexing.sources import FileCorpus

OLD_DIM = 256
QUERIES = 200
KILLS = 2
PAGE = 1024

# Sentence patterns and the words that fill them.
LANGUAGES = {
    "eng": ("The {0} near the {1} was number {2} on the list.", "house river market school bridge"),
    "deu": ("Das {0} neben dem {1} war Nummer {2} der Liste.", "Haus Ufer Dorf Museum Feld"),
    "fra": ("Le {0} près du {1} était le numéro {2} de la liste.", "pont jardin marché port lac"),
    "spa": ("El {0} cerca del {1} era el número {2} de la lista.", "puente río parque barco tren"),
    "rus": ("{0} рядом с местом {1} был под номером {2}.", "дом мост вокзал музей рынок"),
    "ara": ("كان {0} بالقرب من {1} رقم {2} في القائمة.", "البيت الجسر السوق المتحف الميناء"),
    "zho": ("{1}附近的{0}在名单上是第{2}号。", "房子 桥 市场 学校 车站"),
    "jpn": ("{1}の近くの{0}はリストの{2}番でした。", "家 橋 市場 学校 駅"),
    "hin": ("{1} के पास का {0} सूची में {2} नंबर पर था।", "घर पुल बाज़ार स्कूल स्टेशन"),
    "tur": ("{1} yakınındaki {0} listede {2} numaraydı.", "ev köprü pazar okul müze"),
}


def generated(count):
    """Sentences in ten languages, no two alike."""
    choose = random.Random(0)
    names = list(LANGUAGES)
    for number in range(count):
        pattern, words = LANGUAGES[names[number % len(names)]]
        yield pattern.format(*choose.sample(words.split(), 2), number)


def texts_of(folder, count):
    """Distinct texts: of a folder, made up to the count by generated ones."""
    found = {}
    if folder is not None:
        for item in FileCorpus(folder):
            if text := getattr(item, "text", "").strip():
                found[text] = None
            if len(found) == count:
                break
    found.update(dict.fromkeys(generated(count - len(found))))
    return list(found)


def metadata(place):
    return {"n": place, "even": place % 2 == 0, "share": place / 7}


def build(work, texts, old, new):
    """The collection with the old vectors, and the truth about both."""
    (work / "texts.json").write_text(json.dumps(texts), "utf-8")
    step = max(1, len(texts) // QUERIES)
    (work / "queries.json").write_text(json.dumps([t[:60] for t in texts[::step]][:QUERIES]))
    for encoder, name in ((old, "old"), (new, "new")):
        np.save(work / f"{name}.npy", encoder.encode_documents(texts))
    documents = (Document(t, f"d-{i}", metadata(i)) for i, t in enumerate(texts))
    fields = {"n": "integer"}
    with Collection.open("c", old, store=work / "store", indexed_fields=fields) as collection:
        collection.add(documents, batch_size=1024)
        collection.optimize()


def run(work, first_note, kill_at):
    """One process; killed when it has encoded ``kill_at`` documents, and told what it said."""
    worker = HERE / "migration_worker.py"
    command = [sys.executable, str(worker), str(work), "--old-dim", str(OLD_DIM)]
    command += ["--first-note", str(first_note)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said, killed = [], False
    for line in process.stdout:
        if not line.endswith("\n"):
            continue  # torn by the kill
        said.append(json.loads(line))
        encoded = said[-1]["kind"] == "encoded" and said[-1]["count"]
        if kill_at is not None and encoded and encoded >= kill_at and not killed:
            time.sleep(random.uniform(0.0, 0.3))
            process.kill()
            killed = True
    process.wait()
    return said, killed, process.returncode


def reads(said):
    lines = [line for line in said if line["kind"] == "read"]
    return {
        "answers": sum(line["answers"] for line in lines),
        "recall": sum(line["recall"] for line in lines),
        "least": min((line["least"] for line in lines), default=1.0),
        "faults": [fault for line in lines for fault in line["faults"]],
        "old": sum(line["answers"] for line in lines if line["dim"] == OLD_DIM),
    }


def final_faults(work, texts, new, said):
    """What differs from what must be there."""
    notes = {kind: {line["id"] for line in said if line["kind"] == kind}
             for kind in ("adding", "added", "deleting", "deleted")}  # fmt: skip
    steady = {f"d-{i}" for i in range(len(texts))}
    # What was under way at a kill may be there or not.
    must = steady | notes["added"] - notes["deleting"]
    may = must | (notes["adding"] - notes["deleted"])
    faults, found = [], set()
    with Collection.open("c", new, store=work / "store", create=False) as collection:
        page = []
        for point in collection.scroll_points(batch_size=PAGE, with_vectors=True):
            page.append(point)
            if len(page) == PAGE:
                faults += page_faults(page, texts, new, found)
                page = []
        faults += page_faults(page, texts, new, found) if page else []
        dropped = collection.drop_old()
        faults += [] if collection.search(texts[0], k=1) else ["no search after the old one went"]
        faults += [] if collection.count({"n": {"lt": 10}}) == 10 else ["the payload index is off"]
    faults += [f"lost: {i}" for i in must - found] + [f"resurrected: {i}" for i in found - may]
    return faults, len(found), dropped


def page_faults(points, texts, new, found):
    faults = []
    expected = new.encode_documents([point.payload["page_content"] for point in points])
    for point, row in zip(points, expected, strict=True):
        name = point.payload["_rolevec"]["id"]
        if name in found:
            faults.append(f"twice: {name}")
        found.add(name)
        if name.startswith("d-"):
            place = int(name[2:])
            stored = point.payload["page_content"], json.loads(point.payload["_node_content"])
            if (stored[0], stored[1]["metadata"]) != (texts[place], metadata(place)):
                faults.append(f"other payload: {name}")
        if np.abs(point.vector - row).max() > 1e-5:
            faults.append(f"other vector: {name}")
    return faults


def measure(work, folder, points):
    texts = texts_of(folder, points)
    old, new = load_encoder("light", dimensions=OLD_DIM), load_encoder("light")
    build(work, texts, old, new)
    said, kills, notes, total = [], [], 0, {"answers": 0, "recall": 0.0, "old": 0, "faults": []}
    total["least"] = 1.0
    for number in range(KILLS + 1):
        # The first two thirds of what is left; then there is something left for the next.
        share = random.uniform(0.05, 0.45)
        lines, killed, code = run(work, notes, int(points * share) if number < KILLS else None)
        said += lines
        notes = 1 + max((int(x["id"][2:]) for x in said if x["kind"] == "adding"), default=-1)
        part = reads(lines)
        total = {**{k: total[k] + part[k] for k in ("answers", "recall", "old", "faults")},
                 "least": min(total["least"], part["least"])}  # fmt: skip
        encoded = max((x["count"] for x in lines if x["kind"] == "encoded"), default=0)
        if killed:
            kills.append({"encoded": encoded, "answers": part["answers"]})
        elif code:
            raise SystemExit(f"the worker failed with {code}")
    report = next(line for line in said if line["kind"] == "report")
    end = next(line for line in said if line["kind"] == "end")
    faults, count, dropped = final_faults(work, texts, new, said)
    return {
        "machine": machine(), "points": points, "queries": QUERIES, "kills": kills,
        "answers": total["answers"], "answers_by_the_old_encoder": total["old"],
        "faults": total["faults"][:20], "fault_count": len(total["faults"]),
        "mean_recall_at_10": total["recall"] / total["answers"],
        "least_recall_at_10": total["least"],
        "notes_added": sum(x["kind"] == "added" for x in said),
        "notes_deleted": sum(x["kind"] == "deleted" for x in said),
        "report": {k: v for k, v in report.items() if k not in {"kind", "at"}},
        "final_points": count, "final_faults": faults[:20], "final_fault_count": len(faults),
        "old_collections_dropped": dropped, "peak_mib": end["peak_mib"],
    }  # fmt: skip


def page(result):
    report = result["report"]
    killed = ", ".join(f"after {k['encoded']:,} texts" for k in result["kills"])
    rows = [
        ("points", f"{result['points']:,}"),
        ("killed", killed),
        ("texts encoded by the last run", f"{report['encoded']:,}"),
        ("searches answered", f"{result['answers']:,}"),
        ("of them by the old encoder", f"{result['answers_by_the_old_encoder']:,}"),
        ("failed or wrong", f"{result['fault_count']:,}"),
        ("recall@10 against exact, mean", f"{result['mean_recall_at_10']:.4f}"),
        ("documents added / deleted meanwhile",
         f"{result['notes_added']:,} / {result['notes_deleted']:,}"),
        ("lost, twice, resurrected, other text, metadata or vector in the end",
         f"{result['final_fault_count']:,}"),
        ("overlap@10 of old and new, reported", f"{report['overlap']:.3f}"),
        ("peak memory of the last process, the benchmark's own truth included",
         f"{result['peak_mib']:.0f} MiB"),
    ]  # fmt: skip
    lines = ["# Migration under load", "", __doc__.split("\n\n")[2].replace("\n", " ").strip(), ""]
    lines += ["| | |", "|---|--:|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", help="of texts; without, they are made")
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "migration")
    parser.add_argument("--seed", type=int, default=None, help="of the moments of the kills")
    options = parser.parse_args()
    random.seed(options.seed)
    with tempfile.TemporaryDirectory() as work:
        result = measure(Path(work), options.folder, options.points)
    options.out.with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    options.out.with_suffix(".md").write_text(page(result), "utf-8")
    print(page(result))
    if result["fault_count"] or result["final_fault_count"]:
        raise SystemExit("there were faults: see the JSON file")


if __name__ == "__main__":
    main()
