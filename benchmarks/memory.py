"""Peak memory of encoding a stream of a million short texts with the bundled model.

    python benchmarks/memory.py [--texts 1000000]

The texts are made as they are needed, of words that keep being new, and each batch's vectors are
dropped. The peak of the process is written down at every tenth of the way: constant memory means
that it does not grow after the first.
"""

import argparse
import json
import sys
import time
from itertools import islice
from pathlib import Path

from harness import HERE, describe, machine, peak_mib

from rolevec import Role, load_encoder

BATCH = 8192
LETTERS = "etaoinshrdluкатонирсلمنوي的是一ไทย"


def stream(count):
    """Texts of eight words, half of which come from a hundred thousand, half from everywhere."""
    for number in range(count):
        words = (
            word((number * 8 + i) * 2654435761 % (10**5 if i % 2 else 2**40)) for i in range(8)
        )
        yield " ".join(words)


def word(number):
    letters = []
    while number or not letters:
        number, letter = divmod(number, len(LETTERS))
        letters.append(LETTERS[letter])
    return "".join(letters)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "memory")
    options = parser.parse_args()
    encoder = load_encoder("light")
    loaded, begin, done = peak_mib(), time.perf_counter(), 0
    peaks = []
    texts = stream(options.texts)
    while batch := list(islice(texts, BATCH)):
        encoder.encode(batch, Role.DOCUMENT)
        done += len(batch)
        if done * 10 >= (len(peaks) + 1) * options.texts:
            peaks.append(round(peak_mib(), 1))
    result = {
        "texts": done,
        "batch": BATCH,
        "loaded_mib": round(loaded, 1),
        "peak_mib": peaks,
        "growth_mib": round(peaks[-1] - peaks[0], 1),
        "seconds": round(time.perf_counter() - begin, 1),
        "machine": machine(),
    }
    text = json.dumps(result, indent=1) + "\n"
    options.out.with_suffix(".json").write_text(text, encoding="utf-8")
    lines = [
        "# Memory of a long stream", "", "    python benchmarks/memory.py", "",
        describe(result["machine"]), "",
        f"{done:,} texts in batches of {BATCH:,}; {loaded:,.0f} MiB after loading.", "",
        "| share done | peak MiB |", "|--:|--:|",
        *(f"| {10 * n} % | {peak:,.0f} |" for n, peak in enumerate(peaks, 1)),
    ]  # fmt: skip
    options.out.with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
