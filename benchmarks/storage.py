"""What a way of storing vectors costs in memory and in neighbours found, with the bundled model.

    python benchmarks/storage.py FOLDER

FOLDER holds ``parallel-*.tsv.xz`` (see ``ingest_texts.py``). 20,000 short texts in hundreds of
languages go into a collection; 300 others are the queries. What is measured, and the
recommendation, are those of `rolevec evaluate --storage`.
"""

import tempfile

from harness import HERE
from ingest_texts import arguments, corpus, read

from rolevec import Collection, load_encoder
from rolevec.evaluation import evaluate_storage
from rolevec.qdrant import storage_choices


def main() -> None:
    parser = arguments(__doc__, HERE / "results" / "storage")
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=300)
    options = parser.parse_args()
    documents, queries = corpus(options.folder, options.work, options.texts, options.queries)
    with (
        load_encoder("light", truncation="end") as encoder,
        tempfile.TemporaryDirectory() as store,
        Collection.open("texts", encoder, store=store) as collection,
    ):
        collection.add([record["text"] for record in read(documents)], progress=True)
        asked = [record["text"] for record in read(queries)]
        trial = storage_choices(
            collection, asked, sample=options.texts, query_count=options.queries
        )
        report = evaluate_storage(trial)
    for suffix in (".json", ".md", ".png"):
        report.save(options.out.with_suffix(suffix))
    print(report.to_markdown())


if __name__ == "__main__":
    main()
