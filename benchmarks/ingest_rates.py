"""The rates from which `rolevec plan` computes hours, measured on this machine.

    python benchmarks/ingest_rates.py FOLDER [--encode-only]

FOLDER holds ``parallel-*.tsv.xz`` (see ``ingest_texts.py``), 20,000 of whose texts are encoded.
Writes ``integrations/rolevec/indexing/rates.json``: tokens per second of one core for the bundled
model and for all-MiniLM-L6-v2, and the processor time of Qdrant Edge for writing a point and for
building the index. Processor time, not time on the clock, so that it is that of one core.
"""

import json
from dataclasses import asdict
from pathlib import Path

from harness import machine
from ingest_texts import arguments, corpus, read
from models import model_folder

from rolevec import load_encoder
from rolevec.indexing.rates import encoding_rate, engine_costs
from rolevec.qdrant.identity import About

OUT = Path(__file__).parent.parent / "integrations" / "rolevec" / "indexing" / "rates.json"


def main():
    parser = arguments(__doc__, OUT)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--encode-only", action="store_true", help="keep the engine's costs")
    options = parser.parse_args()
    documents, _ = corpus(options.folder, options.work, 20_000)
    texts = [record["text"] for record in read(documents)]
    models = {"light": "light", "all-MiniLM-L6-v2": str(model_folder("MiniLM", options.work))}
    content = json.loads(options.out.read_text("utf-8")) if options.encode_only else {}
    facts = machine()
    words = f"{facts['processor']}, {facts['model']}, {facts['system']}"
    content |= {"machine": words, "encode": {}}
    for name, model in models.items():
        with load_encoder(model, truncation="end") as encoder:
            rate = encoding_rate(encoder, texts, options.seconds, gpu=False)
            facts = {"dim": encoder.dim, "tokens_per_second": round(rate), "gpu": False}
            content["encode"][name] = facts
            about = About(encoder.fingerprint)
    if not options.encode_only:
        write, build = engine_costs(about)
        content |= {"write": asdict(write), "build": asdict(build)}
    text = json.dumps(content, indent=1) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
