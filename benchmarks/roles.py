"""What the roles of the bundled model are worth: nDCG@10 with them, with fewer, with none.

python benchmarks/roles.py DATA      # a folder of BEIR-format data sets
"""

import json
import sys
from pathlib import Path

from rolevec import load_encoder
from rolevec.evaluation import evaluate, find_datasets

RESULT = Path(__file__).parent / "results" / "light-roles.json"
PROMPTS = {
    "roles": None,
    "queries as documents": {"query": "document: "},
    "no prompts": {"query": "", "document": ""},
}


def main(folder: str) -> None:
    rows: dict[str, dict[str, float]] = {}
    for dataset in find_datasets(Path(folder)):
        for name, prompts in PROMPTS.items():
            encoder = load_encoder("light", prompts=prompts, truncation="end")
            for mean in evaluate(encoder, dataset, metrics=("ndcg@10",)).overall():
                if "ndcg@10" in mean.metrics:
                    key = f"{mean.dataset.rpartition('/')[2]}, {mean.task}"
                    rows.setdefault(key, {})[name] = round(mean.metrics["ndcg@10"], 4)
    revision = load_encoder("light").fingerprint.revision
    result = {"model": "light", "revision": revision, "ndcg@10": rows}
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
