"""Texts per second of the bundled static model, beside model2vec with the same table.

    python benchmarks/static.py DATA/tatoeba112/tatoeba.*

Every line of the files is a text; they are shuffled. model2vec runs single process, as it does by
default below 10,000 texts, on the bundled table in full precision with the bundled tokenizer. Three
rows are of rolevec: one whose every round is the first to see the corpus, and one that has seen it,
both with plain means and without the dictionary, as model2vec has them, and one that has seen it
with all that the model is shipped with. Threads and batch sizes are both libraries' own; neither
cuts a text. The vectors are compared: see the cosines.
"""

import json
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
from harness import HERE, Peer, Run, Section, arguments, measure, start, write
from harness import Result as Report
from safetensors.numpy import load_file, save_file

from rolevec.encoders.static import StaticEncoder
from rolevec.encoders.table import TokenTable
from rolevec.encoders.tokens import read_tokenizer
from rolevec.models.bundled import light_folder
from rolevec.roles import Role

OURS, WARM, THEIRS = "rolevec, words new", "rolevec, words known", "model2vec"
SHIPPED = "rolevec, words known, as shipped"
COMPARED = 20_000


def read(paths, most):
    texts = [
        line.strip() for path in paths for line in path.read_text(encoding="utf-8").splitlines()
    ]
    texts = [text for text in texts if text]
    random.Random(0).shuffle(texts)
    return texts[:most]


def full_table(folder):
    """The rows as float32, scales applied; shape (vocabulary, dim)."""
    table = StaticEncoder(folder)._table
    ids = np.arange(table.vocabulary)
    return table.sums(ids, ids)


def plain_means(folder, place):
    """The model without ridge, sounds and dictionary, so that the sums are those of model2vec."""
    place.mkdir()
    tensors = load_file(folder / "model.safetensors")
    rows = {name: values for name, values in tensors.items() if not name.startswith("dictionary")}
    save_file(rows, place / "model.safetensors")
    read_tokenizer(folder / "tokenizer.json").save(str(place / "tokenizer.json"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for name in ("ridge", "sounds"):
        config.pop(name, None)
    config["dim"] = TokenTable(folder / "model.safetensors").dim
    (place / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return place


def cosines(one, two):
    """Lowest and median cosine of rows that should be the same, in the dimensions of both."""
    one = one[:, : two.shape[1]]
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    values = np.einsum("ij,ij->i", one, two) / lengths.clip(1e-9)
    return float(values.min()), float(np.median(values))


def main():
    parser = arguments(__doc__, out=HERE / "results" / "static")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--model", type=Path, help="folder of a static model (the bundled one)")
    parser.add_argument("--texts", type=int, help="most texts; all if not given")
    parser.add_argument("--model2vec", default="0.10.0", help="its version")
    options = parser.parse_args()
    folder = options.model or light_folder()
    encoder = StaticEncoder(folder)
    prompt = encoder.prompts.parts(Role.DOCUMENT)[0]
    texts = read(options.files, options.texts)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        (place / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        np.save(place / "table.npy", full_table(folder))
        theirs = Peer(
            THEIRS, "peers/static_model2vec.py", (f"model2vec=={options.model2vec}",),
            versions=("model2vec", "numpy", "tokenizers"),
        )  # fmt: skip
        ours = [
            Peer(n, "peers/static_ours.py", versions=("numpy", "tokenizers"))
            for n in (OURS, WARM, SHIPPED)
        ]
        alike = plain_means(folder, place / "alike")
        with start([theirs, *ours]) as workers:
            text_file = str(place / "texts.json")
            workers[0].ask(
                "load", texts=text_file, table=str(place / "table.npy"),
                tokenizer=str(alike / "tokenizer.json"), prompt=prompt,
            )  # fmt: skip
            for worker in workers[1:]:
                model = folder if worker.name == SHIPPED else alike
                worker.ask("load", texts=text_file, folder=str(model))
            runs = rounds(workers, options.repetitions)
            rows = []
            for number, worker in enumerate(workers):
                worker.ask("save", path=str(place / f"{number}.npy"), count=COMPARED)
                rows.append(np.load(place / f"{number}.npy"))
            for number, name in enumerate((OURS, WARM, SHIPPED), 1):
                low, middle = cosines(rows[number], rows[0])
                runs[name].extra |= {"lowest cosine": low, "median cosine": middle}
            tokens = workers[1].ask("prepare_sums").value
            parts = {}
            for name, action in (
                ("tokenizer alone", "tokenise"),
                ("gather and mean alone", "sums"),
            ):
                parts[name] = measure(workers[1:2], action, {}, repetitions=options.repetitions)[
                    OURS
                ]
    note = {"texts": len(texts), "tokens": tokens}
    sections = [
        Section("short texts in many languages", "texts/s", len(texts), THEIRS, runs, note),
        Section("parts of the work", "texts/s", len(texts), "tokenizer alone", parts, note),
    ]
    command = f"python benchmarks/static.py FILES --repetitions {options.repetitions}"
    write(Report("Static encoding", sections, command), options.out)


def rounds(workers, repetitions):
    """As `measure`, with a newly loaded encoder before each round of the first of ours."""
    total = {worker.name: Run() for worker in workers}
    for repetition in range(-1, repetitions):
        workers[1].ask("fresh")
        once = measure(workers, "encode", {}, repetitions=1, warm=0)
        for name, run in once.items():
            total[name].versions, total[name].peak_mib = run.versions, run.peak_mib
            if repetition >= 0:
                total[name].seconds += run.seconds
                total[name].busy += run.busy
    return total


if __name__ == "__main__":
    sys.exit(main())
