"""`rolevec demo`."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from rolevec.cli.options import as_json as json_option
from rolevec.cli.options import model_option
from rolevec.cli.output import print_json, print_table
from rolevec.documents import Document, Hit
from rolevec.encoders.loading import load_encoder
from rolevec.encoders.protocol import Encoder
from rolevec.qdrant.collection import Collection

COLLECTION = "demo"
_HITS = 3
_FOUND = "question, and the document found"

_NEXT = """\
Next:
  rolevec index FOLDER            your own .txt, .md, .jsonl or .csv files
  rolevec search "your question"
  rolevec models                  larger models, for more languages and better ranking
  rolevec doctor                  what was checked of the model you are using

In Python:
  from rolevec.langchain import RolevecEmbeddings, RolevecVectorStore      # or rolevec.llama_index
  store = RolevecVectorStore(RolevecEmbeddings("light"), collection_name="documents")
  store.similarity_search("your question")"""


@dataclass(frozen=True, slots=True)
class Answer:
    """A question of the demo and what was found.

    Attributes:
        question: its text.
        language: its language's name.
        hits: best first.
        rank: place of the document that answers it, from 1; None if it is not among the hits.
    """

    question: str
    language: str
    hits: list[Hit]
    rank: int | None


@click.command()
@model_option
@click.option(
    "--store",
    "-s",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the demo's collection in this folder; else it is gone at the end.",
)
@json_option
def command(model: str, store: Path | None, as_json: bool) -> None:
    """Index short texts in many languages and ask for them in others, offline."""
    corpus = json.loads(files("rolevec.cli").joinpath("demo.json").read_text(encoding="utf-8"))
    encoder = load_encoder(model)
    if not as_json:
        click.echo(f"Model: {encoder.fingerprint.describe()}. No network is used.\n")
    if store is not None:
        _run(corpus, encoder, store, as_json=as_json)
        return
    with tempfile.TemporaryDirectory(prefix="rolevec-demo-") as folder:
        _run(corpus, encoder, Path(folder), as_json=as_json)


def _run(corpus: dict[str, Any], encoder: Encoder, store: Path, *, as_json: bool) -> None:
    documents = [
        Document(entry["text"], entry["id"], {"language": entry["language"]})
        for entry in corpus["documents"]
    ]
    with Collection.open(COLLECTION, encoder, store=store) as collection:
        start = time.perf_counter()
        collection.add(documents)
        seconds = time.perf_counter() - start
        answers = _ask(corpus, collection)
        backend = collection.backend
    right = sum(answer.rank == 1 for answer in answers)
    if as_json:
        print_json(_summary(encoder, len(documents), answers))
        return
    languages = len({document.metadata["language"] for document in documents})
    click.echo(
        f"{len(documents)} documents in {languages} languages encoded and stored"
        f" ({backend}) in {seconds * 1000:.0f} ms.\n"
    )
    _print_answers(answers, corpus["languages"])
    among = sum(answer.rank is not None for answer in answers)
    click.echo(
        f"\n{right} of {len(answers)} questions found their answer first, {among} among the first"
        f" {_HITS}; each answer is in another language than its question.\n"
    )
    click.echo(_NEXT)


def _ask(corpus: dict[str, Any], collection: Collection) -> list[Answer]:
    questions = corpus["questions"]
    found = collection.search_many([question["text"] for question in questions], k=_HITS)
    answers = []
    for question, hits in zip(questions, found, strict=True):
        ids = [hit.id for hit in hits]
        rank = ids.index(question["answer"]) + 1 if question["answer"] in ids else None
        language = corpus["languages"][question["language"]]
        answers.append(Answer(question["text"], language, hits, rank))
    return answers


def _print_answers(answers: list[Answer], languages: dict[str, str]) -> None:
    rows: list[tuple[str, str, str, str]] = []
    for answer in answers:
        best = answer.hits[0]
        mark = "✓" if answer.rank == 1 else "✗"
        rows += [
            ("?", answer.language, answer.question, ""),
            (mark, languages[str(best.metadata["language"])], best.text, f"{best.score:.2f}"),
            ("", "", "", ""),
        ]
    print_table(["", "language", _FOUND, ">cosine"], rows[:-1], wide=_FOUND)


def _summary(encoder: Encoder, documents: int, answers: list[Answer]) -> dict[str, Any]:
    return {
        "model": encoder.name,
        "documents": documents,
        "right": sum(answer.rank == 1 for answer in answers),
        "answers": [
            {
                "question": answer.question,
                "language": answer.language,
                "rank": answer.rank,
                "found": [
                    {"id": h.id, "score": h.score, "text": h.text, **h.metadata}
                    for h in answer.hits
                ],
            }
            for answer in answers
        ],
    }
