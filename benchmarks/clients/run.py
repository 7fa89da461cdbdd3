"""Other people's clients, unmodified, against `rolevec serve`; writes results/clients.{json,md}.

Each client gets a virtual environment of its own, made on first use and kept, and a probe that runs
in it: it is given the server's address and a key, and compares every vector and score with those of
the encoder in this process.

    python benchmarks/clients/run.py [--environments FOLDER] [--only NAME ...]
    ROLEVEC_API_KEY=… python benchmarks/clients/run.py --url http://127.0.0.1:8000

With --url the server must serve the bundled model first, under all of NAMES too; without it, one is
started.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import harness  # noqa: E402

import rolevec  # noqa: E402
from rolevec.encoders.loading import load_encoder  # noqa: E402
from rolevec.vectors import cut_dimensions, pack  # noqa: E402

RESULT = HERE.parent / "results" / "clients"
MODEL = "embed-light"
COHERE = [
    *(f"embed-{language}{size}-v3.0" for language in ("english", "multilingual")
      for size in ("", "-light")),
    *("embed-english-v2.0", "embed-english-light-v2.0", "embed-multilingual-v2.0", "embed-v4.0"),
]  # fmt: skip
# Names that clients ask for when they are not told otherwise, or that are all they know.
NAMES = [*COHERE, "text-embedding-3-small"]
ROLES = ("query", "document", "classification", "clustering")
PACKED = ("int8", "uint8", "binary", "ubinary")


@dataclass(frozen=True)
class Client:
    """A probe, and what its environment holds; the result tells the versions of these."""

    name: str
    probe: str
    packages: tuple[str, ...]

    @property
    def distributions(self):
        return [package.partition("<")[0].partition(">")[0] for package in self.packages]


CLIENTS = [
    Client("Cohere SDK 5", "cohere_sdk", ("cohere>=5,<6",)),
    Client("Cohere SDK 6", "cohere_sdk", ("cohere>=6,<7",)),
    Client("Cohere SDK 7", "cohere_sdk", ("cohere>=7,<8",)),
    Client("LangChain Cohere", "langchain_cohere_", ("langchain-cohere", "cohere")),
    Client(
        "LlamaIndex Cohere",
        "llama_index_cohere",
        ("llama-index-embeddings-cohere", "llama-index-postprocessor-cohere-rerank", "cohere"),
    ),
    Client("Haystack Cohere", "haystack_cohere", ("cohere-haystack", "cohere")),
    Client("OpenAI SDK", "openai_sdk", ("openai",)),
    Client("LangChain OpenAI", "langchain_openai_", ("langchain-openai", "openai")),
    Client(
        "LlamaIndex OpenAI",
        "llama_index_openai",
        ("llama-index-embeddings-openai", "llama-index-embeddings-openai-like", "openai"),
    ),
    Client(
        "LlamaIndex TEI",
        "llama_index_tei",
        ("llama-index-embeddings-text-embeddings-inference",),
    ),
    Client("Hugging Face InferenceClient", "hugging_face", ("huggingface_hub", "numpy")),
]


def expectations():
    """What the encoder in this process says, for the probes."""
    demo = json.loads((Path(rolevec.__file__).parent / "cli" / "demo.json").read_text("utf-8"))
    documents = [document["text"] for document in demo["documents"]]
    questions = [question["text"] for question in demo["questions"]]
    texts = [*questions[:6], "emoji 🦔\tand\nlines"]
    many = [f"{number}. {documents[number % len(documents)]}" for number in range(200)]
    with load_encoder("light") as encoder:
        vectors = {role: encoder.encode(texts, role) for role in ROLES}
        few = documents[:9]
        cosines = encoder.encode_documents(few) @ encoder.encode_queries(texts[:1])[0]
        bare = encoder.encode_counted([*texts, *few], None, "end").vectors
        sizes = encoder.card.matryoshka_dims[:-1]
        encoding = encoder.tokenizer.encode(texts[0], add_special_tokens=False)
        found = {
            "model": MODEL,
            "names": NAMES,
            "max_tokens": encoder.max_tokens,
            "prompts": encoder.prompts.to_dict(),
            "texts": texts,
            "vectors": {role: rows.tolist() for role, rows in vectors.items()},
            "packed": {
                role: {kind: pack(rows, kind).tolist() for kind in PACKED}
                for role, rows in vectors.items()
            },
            "cut": {size: cut_dimensions(vectors["query"], size).tolist() for size in sizes},
            "bare": bare[: len(texts)].tolist(),
            "bare_cut": {size: cut_dimensions(bare[: len(texts)], size).tolist() for size in sizes},
            "many": many,
            "many_vectors": encoder.encode_documents(many).tolist(),
            "query": texts[0],
            "documents": few,
            # Scores of a reranker lie in 0..1, so that a cosine is moved there.
            "scores": ((1 + cosines) / 2).tolist(),
            "bare_scores": (bare[len(texts) :] @ bare[0]).tolist(),
            "tokens": {
                "ids": encoding.ids,
                "strings": encoding.tokens,
                # The mark of a word's start is a blank.
                "text": "".join(encoding.tokens).replace("▁", " ").strip(),
            },
            "openai_ids": openai_ids(texts),
        }
        return found, encoder.fingerprint.revision


def openai_ids(texts):
    import tiktoken

    return tiktoken.get_encoding("cl100k_base").encode_batch(texts)


def find_tiktoken_file():
    """llama-index-core ships the file that tiktoken otherwise fetches."""
    found = importlib.util.find_spec("llama_index.core")
    if found and "TIKTOKEN_CACHE_DIR" not in os.environ:
        folder = Path(found.origin).parent / "_static" / "tiktoken_cache"
        os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)


@contextmanager
def server(key):
    """The address of `rolevec serve` with the bundled model under all names."""
    names = [part for name in NAMES for part in ("--alias", name)]
    command = [sys.executable, "-m", "rolevec", "serve", "light", "--port", "0", "--json"]
    process = subprocess.Popen(
        [*command, "--log-level", "warning", *names],
        env={**os.environ, "ROLEVEC_API_KEY": key},
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        said = ""
        while "}" not in said:
            line = process.stdout.readline()
            if not line:
                raise SystemExit(f"rolevec serve ended with {process.wait()}")
            said += line
        yield json.loads(said)["address"]
    finally:
        process.terminate()
        process.wait(timeout=60)


def probe(client, expected, folder):
    """The outcome of one client's checks."""
    name = client.probe
    python = harness.Peer(client.name, name, packages=client.packages).python()
    given, outcome = folder / "expected.json", folder / "outcome.json"
    given.write_text(json.dumps(expected), encoding="utf-8")
    outcome.unlink(missing_ok=True)
    script = HERE / "probes" / f"{name}.py"
    done = subprocess.run(
        [python, str(script), str(given), str(outcome), *client.distributions],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if not outcome.is_file():
        reason = (done.stderr.strip().splitlines() or ["no word"])[-1]
        return {"versions": {}, "checks": [{"call": "import", "passed": False, "reason": reason}]}
    found = json.loads(outcome.read_text("utf-8"))
    if any(not check["passed"] for check in found["checks"]):
        print(done.stderr[-6000:], file=sys.stderr)
    return found


def described(versions):
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def report(result):
    lines = [
        "# Other people's clients against `rolevec serve`",
        "",
        "Written by `benchmarks/clients/run.py`: each client, unmodified, in a virtual environment",
        f"of its own, given nothing but the address and a key. Served: the bundled model, revision"
        f" {result['revision']}.",
        "Difference: the largest between any number that came and the same number of the encoder",
        "in process, over all checks; whole numbers (int8, uint8) may differ by one.",
        "",
        "| client | versions | passed | largest difference |",
        "|---|---|--:|--:|",
    ]
    for name, found in result["clients"].items():
        checks = found["checks"]
        passed = sum(check["passed"] for check in checks)
        largest = max((check.get("largest") or 0 for check in checks), default=0)
        lines.append(
            f"| {name} | {described(found['versions'])} | {passed} of {len(checks)} |"
            f" {largest:.1e} |"
        )
    for name, found in result["clients"].items():
        lines += ["", f"## {name}", "", "| call | outcome |", "|---|---|"]
        for check in found["checks"]:
            outcome = "passed" if check["passed"] else f"**failed**: {check['reason']}"
            lines.append(f"| {check['call']} | {outcome.replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--environments", type=Path, help="folder of the virtual environments")
    parser.add_argument("--url", help="of a running server; its key is in ROLEVEC_API_KEY")
    parser.add_argument("--only", nargs="*", help="parts of the names of clients")
    parser.add_argument("--out", type=Path, default=RESULT, help="result files, without suffix")
    asked = parser.parse_args()
    if asked.environments:
        harness.ENVIRONMENTS = asked.environments.resolve()
    find_tiktoken_file()
    key = os.environ.get("ROLEVEC_API_KEY", "a key of the probes")
    expected, revision = expectations()
    result = {"rolevec": rolevec.__version__, "revision": revision, "clients": {}}
    with tempfile.TemporaryDirectory() as folder, server_at(asked.url, key) as url:
        for client in CLIENTS:
            if asked.only and not any(part.lower() in client.name.lower() for part in asked.only):
                continue
            found = probe(client, expected | {"url": url, "key": key}, Path(folder))
            result["clients"][client.name] = found
            passed = sum(check["passed"] for check in found["checks"])
            print(f"{client.name}: {passed} of {len(found['checks'])}", file=sys.stderr)
    text = json.dumps(result, indent=1, ensure_ascii=False)
    asked.out.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    asked.out.with_suffix(".md").write_text(report(result), encoding="utf-8")
    print(report(result).partition("\n## ")[0])
    checks = [check for found in result["clients"].values() for check in found["checks"]]
    sys.exit(not all(check["passed"] for check in checks))


@contextmanager
def server_at(url, key):
    if url:
        yield url.rstrip("/")
        return
    with server(key) as started:
        yield started


if __name__ == "__main__":
    main()
