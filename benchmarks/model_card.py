"""Write the page of the bundled model from its config.json and the report of its scores.

python benchmarks/model_card.py
"""

import csv
import hashlib
import json
from pathlib import Path

HERE = Path(__file__).parent
MODEL = HERE.parent / "integrations" / "rolevec" / "models" / "light"
REPORT, SOURCES = HERE / "results" / "light.json", HERE / "data" / "sources.tsv"
ROLES, TRIPLES = HERE / "results" / "light-roles.json", HERE / "results" / "light-triples.json"
PAGE = HERE / "results" / "light-model-card.md"

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
| kind | static: the mean of one row per token, made a unit vector |
| table | {vocabulary:,} tokens of {dim} dimensions, 4 bits a weight and a scale a row |
| Matryoshka | may be cut to {cuts} dimensions |
| longest text | {max_tokens:,} tokens |
| roles | {prompts} |
| revision | {revision} |
| sha256 of model.safetensors | `{checksum}` |
| licence of the weights | {license} |
| trained on | {pairs:,} pairs, {languages} languages with at least 5,000 |
| teacher | {teacher} (its vectors of English texts) |
| recipe | `rolevec train light`: {steps:,} steps of {batch:,} pairs, seed {seed} |

## What it is good for, and what not

It finds texts that say the same, and passages that answer a question, across the languages below,
on a CPU, offline. It is a bag of tokens: word order, negation and who did what to whom do not
change a vector much, a sentence with one other word is near the original, and a paraphrase without
common or related words is far from it. Of the 300 triples in `benchmarks/data/triples.jsonl`, which
are made to show this, it gets {triples} right. Names in another script are mostly not matched.
Where the table shows few pairs or a low score, use a larger model (`rolevec models`).

The roles are learned, and so far worth nothing on these sets (`benchmarks/roles.py`, nDCG@10):

{roles}

## Languages

Pairs trained on; share of the sentences whose English translation is found (Tatoeba), and nDCG@10
of questions against passages in the same language and in English (XQuAD).

{scores}

All languages and scripts that were trained on, with their pairs:

{pairs_by_language}

## Sources

Rows of text the model has learned from; each row of the training tables carries its source. Some of
these licences (GPL, AGPL, GFDL) ask for more than others of works that contain the texts;
`exclude_sources` in the recipe leaves sources out.

{sources}
"""


def scores(report: dict, pairs: dict) -> str:
    columns = {"bitext": 0, "retrieval": 1, "retrieval, cross-lingual": 2}
    metric = {"bitext": "xx->eng"}
    top = max(score["dim"] for score in report["scores"])
    rows: dict[str, list[str]] = {}
    for score in report["scores"]:
        if score["dim"] != top or score["dataset"].rpartition("/")[2] not in ("xquad", "tatoeba"):
            continue
        code = CODES.get(score["language"], score["language"])
        value = score["metrics"][metric.get(score["task"], "ndcg@10")]
        rows.setdefault(code, ["", "", ""])[columns[score["task"]]] = f"{100 * value:.1f}"
    lines = [
        "| language | pairs | translation | question | question, English passages |",
        "|---|--:|--:|--:|--:|",
    ]
    for code, cells in sorted(rows.items()):
        lines.append(f"| {code} | {pairs.get(code, 0):,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def roles() -> str:
    rows = json.loads(ROLES.read_text(encoding="utf-8"))["ndcg@10"]
    names = list(next(iter(rows.values())))
    lines = [f"| data set | {' | '.join(names)} |", f"|---|{'--:|' * len(names)}"]
    for dataset, cells in rows.items():
        lines.append(f"| {dataset} | {' | '.join(f'{100 * cells[n]:.1f}' for n in names)} |")
    return "\n".join(lines)


def right_triples() -> int:
    means = json.loads(TRIPLES.read_text(encoding="utf-8"))["overall"]
    return round(means[0]["count"] * means[0]["metrics"]["accuracy"])


def sources(counts: dict) -> str:
    with SOURCES.open(encoding="utf-8", newline="") as file:
        known = {row["source"]: row for row in csv.DictReader(file, delimiter="\t")}
    rows: dict[str, int] = {}
    for source, count in counts.items():
        name = max((k for k in known if source.startswith(k)), key=len)
        rows[name] = rows.get(name, 0) + count
    lines = ["| source | repository | licence | rows |", "|---|---|---|--:|"]
    for name, count in sorted(rows.items(), key=lambda item: -item[1]):
        row = known[name]
        lines.append(f"| {name} | {row['repository']} | {row['licence']} | {count:,} |")
    return "\n".join(lines)


def page() -> str:
    config = json.loads((MODEL / "config.json").read_text(encoding="utf-8"))
    report = json.loads(REPORT.read_text(encoding="utf-8"))
    tokens = json.loads((MODEL / "tokenizer.json").read_text(encoding="utf-8"))
    training = config["training"]
    pairs = training["pairs_by_language"]
    most = sorted(pairs.items(), key=lambda item: -item[1])
    own = {
        "vocabulary": len(tokens["model"]["vocab"]) + len(config["prompts"]),
        "cuts": ", ".join(map(str, config["matryoshka_dims"][:-1])),
        "prompts": ", ".join(f"{role} {prompt!r}" for role, prompt in config["prompts"].items()),
        "checksum": hashlib.sha256((MODEL / "model.safetensors").read_bytes()).hexdigest(),
        "languages": len(config["languages"]),
        "scores": scores(report, pairs),
        "pairs_by_language": ", ".join(f"{lang} {count:,}" for lang, count in most),
        "roles": roles(),
        "triples": right_triples(),
        "sources": sources(training["sources"]),
    }
    return TEXT.format(**config | training | own)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
