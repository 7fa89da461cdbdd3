"""What can go wrong with a request, and what the caller is to see: the table of the tests and of
benchmarks/remote_faults.py."""

from dataclasses import dataclass, field

from remote_faulty import Fault

from rolevec.errors import AuthenticationError, InvalidVector, RateLimited, RemoteError

TEXTS = [f"text number {n} of twenty" for n in range(20)]
BATCH = 5
RETRIES = 3
OPTIONS = {"concurrency": 1, "max_retries": RETRIES, "backoff": 0.001, "timeout": 10}
ALL = len(TEXTS) // BATCH


@dataclass(frozen=True)
class Case:
    """A fault of the second of four requests, so often, and its outcome.

    error: what the `PartialFailure` comes from; None if the caller gets all vectors.
    """

    name: str
    fault: Fault
    times: int = 1
    error: type | None = None
    status: int | None = None
    options: dict = field(default_factory=dict)

    @property
    def requests(self):
        return ALL + self.times if self.error is None else 1 + self.times


def status(code, **headers):
    return Fault("status", code, {name.replace("_", "-"): value for name, value in headers.items()})


LOGIN = "HTML of a proxy, status 200"
ENDLESS = RETRIES + 1
PAST = "Wed, 21 Oct 2015 07:28:00 GMT"
CASES = [
    Case("429 twice, no Retry-After", status(429), 2),
    Case("429 twice, Retry-After: 0", status(429, retry_after="0"), 2),
    Case("429 twice, Retry-After as a date", status(429, retry_after=PAST), 2),
    Case("429 twice, retry-after-ms: 5", status(429, retry_after_ms="5"), 2),
    Case("429, x-ratelimit-reset-tokens: 5ms", status(429, x_ratelimit_reset_tokens="5ms")),
    Case("429 without end", status(429), ENDLESS, RateLimited, 429),
    Case("429, Retry-After: one hour", status(429, retry_after="3600"), 1, RateLimited, 429),
    Case("408 once", status(408)),
    Case("500 twice", status(500), 2),
    Case("503 without end", status(503), ENDLESS, RemoteError, 503),
    Case("HTML of a gateway, status 502, once", Fault("html", 502)),
    Case("connection reset once", Fault("reset")),
    Case("connection reset mid-body, twice", Fault("reset mid-body"), 2),
    Case("connection reset without end", Fault("reset"), ENDLESS, RemoteError, 0),
    Case("slow drip, once", Fault("drip"), options={"timeout": 0.4}),
    Case("slow drip without end", Fault("drip"), ENDLESS, RemoteError, 0, {"timeout": 0.2}),
    Case("one vector too few", Fault("count"), 1, RemoteError, 200),
    Case("a vector of another dimension", Fault("dimension"), 1, InvalidVector),
    Case("NaN in a vector", Fault("nan"), 1, InvalidVector),
    Case("null in a vector", Fault("null"), 1, InvalidVector),
    Case("JSON of another shape", Fault("shape"), 1, RemoteError, 200),
    Case(LOGIN, Fault("html"), 1, RemoteError, 200),
    Case("redirect", status(302, location="http://elsewhere.example/"), 1, RemoteError, 302),
    Case("400", status(400), 1, RemoteError, 400),
    Case("401, the key expired meanwhile", status(401), 1, AuthenticationError, 401),
    Case("403", status(403), 1, AuthenticationError, 403),
    Case("404", status(404), 1, RemoteError, 404),
    Case("413", status(413), 1, RemoteError, 413),
    Case("422", status(422), 1, RemoteError, 422),
]


def arm(server, case):
    """From now on the server fails as the case says, at the second request that makes vectors."""
    server.requests.clear()
    server.embedded.clear()
    server.faults.extend([None, *[case.fault] * case.times])
