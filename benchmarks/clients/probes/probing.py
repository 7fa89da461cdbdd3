"""What every probe uses: its arguments, its checks, and comparison with local vectors.

Runs in the client's own virtual environment, so the standard library is all it needs.

    probe = Probe()                             # argv: file of expectations, file for the outcome
    with probe.check("Client.embed"):
        probe.same(client.embed(probe.texts), probe.vectors["query"])
    probe.end()
"""

import base64
import json
import struct
import sys
import traceback
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

TOLERANCE = 1e-6
# The largest distance from the local numbers; whole ones may differ by the rounding of a float.
TOLERANCES = {"float": TOLERANCE, "base64": TOLERANCE, "int8": 1, "uint8": 1}


class Probe:
    """Expectations as attributes, and the outcome of checks."""

    def __init__(self):
        expected, outcome, *self.packages = sys.argv[1:]
        self.__dict__.update(json.loads(Path(expected).read_text("utf-8")))
        self._outcome = Path(outcome)
        self._checks = []
        self._largest = None

    @contextmanager
    def check(self, call):
        """Note whether what is inside goes through."""
        self._largest = None
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            self._checks.append({"call": call, "passed": False, "reason": reason})
        else:
            self._checks.append({"call": call, "passed": True, "largest": self._largest})

    def same(self, found, expected, kind="float"):
        """Vectors, or scores, equal the local ones."""
        if kind == "base64":
            found = [unpacked(row) for row in found]
        found, expected = list(flat(found)), list(flat(expected))
        assert found, "nothing came"
        assert len(found) == len(expected), f"{len(found)} numbers, not {len(expected)}"
        far = max(abs(a - b) for a, b in zip(found, expected, strict=True))
        self._largest = max(far, self._largest or 0)
        assert far <= TOLERANCES.get(kind, 0), f"differs by {far:g}"

    def ranked(self, found, top_n=None):
        """Pairs of place and score, best first, are those of the local scores."""
        found = list(found)
        order = sorted(range(len(self.scores)), key=lambda place: -self.scores[place])[:top_n]
        assert [place for place, _ in found] == order, f"{found} is not in the order {order}"
        self.same([score for _, score in found], [self.scores[place] for place in order])

    @contextmanager
    def refused(self, kind, status=None):
        """What is inside raises that error."""
        try:
            yield
        except kind as error:
            found = getattr(error, "status_code", status)
            assert status in (None, found), f"status {found}, not {status}"
        else:
            raise AssertionError(f"no {kind.__name__}")

    def end(self):
        versions = {name: version(name) for name in self.packages}
        outcome = {"versions": versions, "checks": self._checks}
        self._outcome.write_text(json.dumps(outcome), "utf-8")


def flat(numbers):
    if isinstance(numbers, (int, float)) or not hasattr(numbers, "__iter__"):
        yield float(numbers)
    else:
        for part in numbers:
            yield from flat(part)


def unpacked(text):
    """float32 numbers of a vector in base64, little-endian."""
    data = base64.b64decode(text)
    return struct.unpack(f"<{len(data) // 4}f", data)
