"""Write the card of the bundled model, as a page and as data beside the model.

python benchmarks/model_card.py          # from its config.json and the reports of its scores
"""

import csv
import hashlib
import json
import runpy
from datetime import UTC, datetime
from pathlib import Path

from safetensors.numpy import load_file

from rolevec.encoders.tokens import read_tokenizer

HERE = Path(__file__).parent
MODEL = HERE.parent / "integrations" / "rolevec" / "models" / "light"
REPORT, SOURCES = HERE / "results" / "light.json", HERE / "data" / "sources.tsv"
PEERS, TRIPLES = HERE / "results" / "light-peers.json", HERE / "results" / "light-triples.json"
PARAPHRASES = HERE / "results" / "light-paraphrases.json"
PAGE, DATA = HERE / "results" / "light-model-card.md", MODEL / "card.json"

# Codes of the test sets -> those of the training text, where they differ.
CODES = {
    **{"cmn": "zho-Hans", "swh": "swa", "zsm": "msa", "pes": "fas", "kur": "kmr", "lvs": "lav"},
    **{"srp": "srp-Cyrl", "ar": "ara", "de": "deu", "el": "ell", "en": "eng", "es": "spa"},
    **{"hi": "hin", "ro": "ron", "ru": "rus", "th": "tha", "tr": "tur", "vi": "vie"},
    "zh": "zho-Hans",
}
TEXT = """\
# {name}

Made by `benchmarks/model_card.py`; scores by `rolevec evaluate light DATA`, times 100.

| | |
|---|---|
| kind | static: one row per token, added up, made a unit vector |
| overlap | what several tokens of a text say counts less than several times |
| repetition | a token that stands in a text n times counts the square root of n |
| queries | go through a matrix of {table_dim} x {table_dim} after that |
| sounds | the last {sounds_dim} dimensions: how words sound, by {letters:,} letters (by anyascii) |
| table | {vocabulary:,} tokens of {table_dim} dimensions; a byte for four weights, a scale a row |
| bits | twice as many for the {refined:,} most frequent tokens, half for the {coarse:,} rarest |
| dictionary | words in several tokens read as one that translates them; {entries:,} entries |
| Matryoshka | may be cut to {cuts} dimensions |
| longest text | {max_tokens:,} tokens |
| roles | {prompts} |
| revision | {revision} |
| sha256 of model.safetensors | `{checksum}` |
| licence of the weights | {license} |
| trained on | {pairs:,} pairs, {languages} languages with at least 5,000 |
| teacher | {teacher} (its vectors of English texts) |
| recipe | `rolevec train light`: {steps:,} steps of {batch:,} pairs, seed {seed} |
| time | {minutes} minutes on two cores of a busy machine, after the text was tokenised |
| scores of | {date} |

## What it is good for, and what not

It finds texts that say the same, and passages that answer a question, across the languages below,
on a CPU, offline. What it cannot do:

{limits}

Of the 300 triples in `benchmarks/data/triples.jsonl`, made to show the second, it gets {triples}
right: near misses there differ from the anchor in one word, paraphrases share none. Of the
{all_paraphrases} in `benchmarks/data/paraphrases.jsonl`, where word overlap does not decide, it
gets {paraphrases} right.

## What the roles are worth

nDCG@10 with the roles, with queries encoded as documents, and with no prompts
(`benchmarks/roles.py`):

{roles}

## Beside others

nDCG@10 of questions against passages in the same language, beside BM25 (bm25s {bm25s}, its own
tokens, no stop words or stemming) and, where the text is English, all-MiniLM-L6-v2
(`benchmarks/light_peers.py`). On XQuAD, whose questions repeat words of their passage, BM25 is
ahead within a language; it finds nothing across languages.

{peers}

Spearman's rank correlation with people's scores of similarity, test part of STS-B (English, and
its translations from stsb-multi-mt):

{similarity}

## Languages

Pairs trained on; share of the sentences whose English translation is found (Tatoeba), and nDCG@10
of questions against passages in the same language and in English (XQuAD).

{scores}

All languages and scripts that were trained on, with their pairs:

{pairs_by_language}

## Sources

Rows of text the model has learned from; each row of the training tables carries its source. Sources
under the GPL, the AGPL and the GFDL, and those that state no licence, are left out
(`exclude_sources` in the recipe).

{sources}
"""


# Task of a report -> what the card calls the measure, and the metric.
MEASURES = {
    "bitext": ("translation", "xx->eng"),
    "retrieval": ("question", "ndcg@10"),
    "retrieval, cross-lingual": ("question, English passages", "ndcg@10"),
}
LIMITS = (
    "Word order, negation and who did what to whom hardly change a vector.",
    "A sentence with one other word is near the original; a paraphrase without common or related"
    " words is far from it.",
    "Names in another script are mostly not matched.",
    "Rare words that one English word translates are mostly the same to it.",
    "Languages with few training pairs are weak.",
    "Within one language, where a question repeats the words of its passage, BM25 finds more.",
)


def scores(report: dict) -> dict[str, dict[str, float]]:
    """Language -> measure -> value, of XQuAD and Tatoeba at the full dimension."""
    top = max(score["dim"] for score in report["scores"])
    found: dict[str, dict[str, float]] = {}
    for score in report["scores"]:
        if score["dim"] != top or score["dataset"].rpartition("/")[2] not in ("xquad", "tatoeba"):
            continue
        code = CODES.get(score["language"], score["language"])
        measure, metric = MEASURES[score["task"]]
        found.setdefault(code, {})[measure] = round(score["metrics"][metric], 4)
    return dict(sorted(found.items()))


def score_table(found: dict, pairs: dict) -> str:
    names = [name for name, _ in MEASURES.values()]
    lines = [f"| language | pairs | {' | '.join(names)} |", f"|---|--:|{'--:|' * len(names)}"]
    for code, values in found.items():
        cells = [f"{100 * values[name]:.1f}" if name in values else "" for name in names]
        lines.append(f"| {code} | {pairs.get(code, 0):,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def peer_table(rows: list, head: tuple[str, ...]) -> str:
    names = (
        ("light", "bm25", "all-MiniLM-L6-v2")
        if "dataset" in head
        else ("light", "all-MiniLM-L6-v2")
    )
    lines = [f"| {' | '.join((*head, *names))} |", f"|{'---|' * len(head)}{'--:|' * len(names)}"]
    for row in rows:
        cells = [f"{100 * row[name]:.1f}" if name in row else "" for name in names]
        lines.append(f"| {' | '.join([*(row[key] or '–' for key in head), *cells])} |")
    return "\n".join(lines)


def right_triples(path: Path) -> tuple[int, int]:
    """Triples that the model gets right, and all."""
    scored = json.loads(path.read_text(encoding="utf-8"))["scores"]
    right = sum(round(score["count"] * score["metrics"]["accuracy"]) for score in scored)
    return right, sum(score["count"] for score in scored)


def sources(counts: dict) -> list[tuple[dict, int]]:
    """Sources with their licences, and the rows of each, most rows first."""
    with SOURCES.open(encoding="utf-8", newline="") as file:
        known = {row["source"]: row for row in csv.DictReader(file, delimiter="\t")}
    rows: dict[str, int] = {}
    for source, count in counts.items():
        name = max((k for k in known if source.startswith(k)), key=len)
        rows[name] = rows.get(name, 0) + count
    return [(known[name], n) for name, n in sorted(rows.items(), key=lambda item: -item[1])]


def source_table(rows: list[tuple[dict, int]]) -> str:
    lines = ["| source | repository | licence | rows |", "|---|---|---|--:|"]
    for row, count in rows:
        lines.append(f"| {row['source']} | {row['repository']} | {row['licence']} | {count:,} |")
    return "\n".join(lines)


def config() -> dict:
    return json.loads((MODEL / "config.json").read_text(encoding="utf-8"))


def data(date: str) -> dict:
    """What the package tells of the model beside its settings."""
    training = config()["training"]
    return {
        "date": date,
        "checksum": hashlib.sha256((MODEL / "model.safetensors").read_bytes()).hexdigest(),
        "limits": LIMITS,
        "scores": scores(json.loads(REPORT.read_text(encoding="utf-8"))),
        "training_pairs": training["pairs_by_language"],
        "training_sources": {
            row["source"]: row["licence"] for row, _ in sources(training["sources"])
        },
    }


def page() -> str:
    settings, card = config(), json.loads(DATA.read_text(encoding="utf-8"))
    peers = json.loads(PEERS.read_text(encoding="utf-8"))
    training, tensors = settings["training"], load_file(MODEL / "model.safetensors")
    pairs = training["pairs_by_language"]
    most = sorted(pairs.items(), key=lambda item: -item[1])
    paraphrases = right_triples(PARAPHRASES)
    own = {
        "refined": len(tensors["refined"]),
        "coarse": len(tensors["coarse_codes"]),
        "entries": len(tensors["dictionary_keys"]),
        "table_dim": len(tensors["query_map"]),
        "sounds_dim": settings["sounds"]["dim"],
        "letters": len(tensors["letters"]),
        "vocabulary": read_tokenizer(MODEL / "tokenizer.json").get_vocab_size(),
        "cuts": ", ".join(map(str, settings["matryoshka_dims"][:-1])),
        "prompts": ", ".join(f"{role} {prompt!r}" for role, prompt in settings["prompts"].items()),
        "checksum": card["checksum"],
        "date": card["date"],
        "minutes": round(training["seconds"] / 60),
        "languages": len(settings["languages"]),
        "limits": "\n".join(f"- {limit}" for limit in card["limits"]),
        "scores": score_table(card["scores"], pairs),
        "pairs_by_language": ", ".join(f"{lang} {count:,}" for lang, count in most),
        "roles": runpy.run_path(str(HERE / "pages.py"))["roles"]().rstrip(),
        "triples": right_triples(TRIPLES)[0],
        "paraphrases": paraphrases[0],
        "all_paraphrases": paraphrases[1],
        "bm25s": peers["bm25s"],
        "peers": peer_table(peers["ndcg@10"], ("dataset", "language")),
        "similarity": peer_table(peers["spearman"], ("language",)),
        "sources": source_table(sources(training["sources"])),
    }
    return TEXT.format(**settings | training | own)


if __name__ == "__main__":
    today = datetime.now(UTC).date().isoformat()
    DATA.write_text(json.dumps(data(today), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
