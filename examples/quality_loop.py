"""The whole quality loop: mine hard negatives, tune, evaluate on held-out queries, migrate.

pip install 'rolevec[train,eval]'
python examples/quality_loop.py FOLDER       # BEIR format: corpus.jsonl, queries.jsonl, qrels.tsv

Without a folder it makes a small corpus whose documents use a house's own words for things.
"""

import sys
import tempfile
from itertools import product
from pathlib import Path

from rolevec import Collection, load_encoder
from rolevec.evaluation import compare, evaluate, find_datasets
from rolevec.evaluation.content import Retrieval
from rolevec.evaluation.datasets import Dataset
from rolevec.training import TuneConfig, mine_hard_negatives, train, write_hard_negatives

# What people call things, and what the documents call them.
WORDS = {
    "laptop": "MBX-7", "printer": "Kobold", "badge": "pass K", "canteen": "the Mill",
    "parking": "deck 9", "holiday": "form U4", "salary": "slip G", "email": "Postino",
    "meeting room": "the Cell", "expenses": "sheet R",
}  # fmt: skip
ASKS = {
    "is broken": "Report a fault of {} to the desk",
    "where do I get": "{} is handed out on the second floor",
    "who is responsible for": "Mrs Sommer looks after {}",
    "how much does it cost": "The price of {} is in the yearly list",
    "may guests use": "Visitors may have {} if they are announced",
}


def house() -> Retrieval:
    """A corpus of fifty notes, each with two questions."""
    documents, queries, qrels = {}, {}, {}
    for (thing, name), (ask, note) in product(WORDS.items(), ASKS.items()):
        number = str(len(documents))
        documents[number] = note.format(name) + "."
        for turn, text in enumerate((f"{ask} {thing}", f"{thing}: {ask}?")):
            queries[f"{number}-{turn}"] = text
            qrels[f"{number}-{turn}"] = {number: 1}
    return Retrieval(documents, queries, qrels)


def part(content: Retrieval, apart: bool) -> Retrieval:
    """The queries whose first answer is every fourth document, or all others."""
    places = {name: place for place, name in enumerate(content.documents)}
    kept = {
        query: found
        for query, found in content.qrels.items()
        if query in content.queries
        and any(rel > 0 for rel in found.values())
        and (places[next(d for d, rel in found.items() if rel > 0)] % 4 == 0) == apart
    }
    queries = {query: content.queries[query] for query in kept}
    return Retrieval(content.documents, queries, kept, content.titles)


def main(content: Retrieval, work: Path) -> None:
    known, held_out = part(content, apart=False), part(content, apart=True)
    answers = {name for found in held_out.qrels.values() for name, rel in found.items() if rel > 0}
    pairs = [
        (known.queries[query], content.documents[name])
        for query, found in known.qrels.items()
        for name, rel in found.items()
        if rel > 0 and name not in answers
    ]
    old = load_encoder("light", truncation="end")
    with Collection.open("loop", old, store=work / "store") as collection:
        collection.add([text for text in content.documents.values() if text.strip()])

        mined = mine_hard_negatives(collection, pairs)
        write_hard_negatives(work / "hard.jsonl", mined)
        print("mined:", mined.report)

        result = train(TuneConfig(data=work / "hard.jsonl", output=work / "model"), progress=False)
        print(f"tuned: {result.metric} {result.before:.3f} before, {result.development:.3f} after")

        new = load_encoder(result.model, truncation="end")
        dataset = Dataset.of("held-out", held_out)
        reports = [evaluate(encoder, dataset, metrics=("ndcg@10",)) for encoder in (old, new)]
        (gain,) = compare(*reports).differences
        print(
            f"held-out: {len(held_out.queries)} queries, nDCG@10 {gain.a:.3f} -> {gain.b:.3f},"
            f" 95 % interval of the gain {gain.low:+.3f} to {gain.high:+.3f}"
        )
        if gain.low > 0:
            print("migrated:", collection.migrate(new).points, "documents")
        question = next(iter(held_out.queries.values()))
        print(f"{question}\n  {collection.search(question, k=1)[0].text[:80]}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        if len(sys.argv) > 1:
            (found,) = find_datasets(sys.argv[1])
            (read,) = found.parts.values()
            main(read(), Path(temporary))
        else:
            main(house(), Path(temporary))
