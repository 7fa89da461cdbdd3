"""rolevec's `index_corpus` into Qdrant Edge."""

import shutil
import tempfile
from pathlib import Path

from harness import serve
from ingest_texts import read

from rolevec import Collection, Document, Role, index_corpus, load_encoder

state = {}


def load(model, documents, precision):
    state["corpus"] = [
        Document(r["text"], r["id"], {"lang": r["lang"]}) for r in read(Path(documents))
    ]
    state["encoder"] = load_encoder(model, truncation="end", precision=precision, prompts={})
    state["encoder"].encode(["warm", "up"], Role.DOCUMENT)
    return {key: getattr(state["encoder"], key, "") for key in ("backend", "precision")}


def ingest():
    folder = tempfile.mkdtemp()
    try:
        with Collection.open("texts", state["encoder"], store=folder) as collection:
            index_corpus(state["corpus"], collection, progress=False)
            assert collection.count() == len(state["corpus"])
    finally:
        shutil.rmtree(folder)


serve(load=load, ingest=ingest)
