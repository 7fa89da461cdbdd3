"""What a caller sees of every fault of an endpoint; writes results/remote_faults.md.

A server on 127.0.0.1 answers the first of four requests of five texts and fails at the second in
the way named, over real sockets; three repetitions are allowed. The cases are those of
tests/unit/encoders/remote/faults.py, where each is asserted for every dialect.

    python benchmarks/remote_faults.py
"""

import importlib.util
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from rolevec.encoders.loading import load_encoder
from rolevec.errors import PartialFailure
from rolevec.roles import Role

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "remote_faults.md"
DIALECTS = ("cohere", "openai", "tei")
ROLES = {"query": "query: ", "document": "document: "}
HEAD = """# Faults of an endpoint, and what the caller sees

Written by `benchmarks/remote_faults.py`. Twenty texts go in four requests of five, one after the
other; the second meets the fault; three repetitions are allowed. Requests: sent in all. Lost: texts
of which the caller has neither a vector nor the word that it is missing, or a vector that is not
the text's own. Doubled: texts that the endpoint answered with a vector more than once.
Counts are the same for {dialects}.

| fault | the caller sees | texts done | requests | lost | doubled |
|---|---|---:|---:|---:|---:|
"""


def module(name):
    path = ROOT / "tests" / "unit" / "encoders" / "remote" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"remote_{name}", path)
    loaded = sys.modules[f"remote_{name}"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


faulty, faults = module("faulty"), module("faults")


def load(dialect, url, options):
    if dialect == "tei":
        return load_encoder(f"tei:{url}", prompts=ROLES, **options)
    base = url if dialect == "cohere" else f"{url}/v1"
    prompts = ROLES if dialect == "openai" else None
    return load_encoder(f"{dialect}:model", base_url=base, prompts=prompts, **options)


def outcome(dialect, case):
    """One row of the table."""
    with faulty.FaultyServer() as server:
        encoder = load(dialect, server.url, faults.OPTIONS | case.options)
        whole = encoder.encode(faults.TEXTS, Role.QUERY)
        faults.arm(server, case)
        try:
            rows = encoder.encode(faults.TEXTS, Role.QUERY, batch_size=faults.BATCH)
            seen, done, missing = "all vectors", range(len(faults.TEXTS)), ()
        except PartialFailure as failure:
            cause = failure.__cause__
            status = getattr(cause, "status", None)
            kind = type(cause).__name__ + ("" if status is None else f" (status {status})")
            seen = f"PartialFailure from {kind}"
            rows, done, missing = failure.vectors, failure.done, failure.missing
        finally:
            encoder.close()
        told = Counter([*done, *missing])
        lost = sum(told[place] != 1 for place in range(len(faults.TEXTS)))
        lost += sum(not np.array_equal(a, b) for a, b in zip(rows, whole[list(done)], strict=True))
        doubled = sum(count > 1 for count in Counter(server.embedded).values())
        return seen, len(done), len(server.sent()), lost, doubled


def main():
    lines = []
    for case in faults.CASES:
        rows = {outcome(dialect, case) for dialect in DIALECTS}
        if len(rows) > 1:
            raise SystemExit(f"{case.name}: the dialects differ: {rows}")
        lines.append("| " + " | ".join(map(str, (case.name, *rows.pop()))) + " |\n")
    RESULT.write_text(HEAD.format(dialects=", ".join(DIALECTS)) + "".join(lines), encoding="utf-8")
    print(RESULT.read_text("utf-8"))


if __name__ == "__main__":
    main()
