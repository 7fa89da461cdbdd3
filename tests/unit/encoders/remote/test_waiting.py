"""How long an endpoint asks to wait, in all the forms there are."""

import pytest

from rolevec.encoders.remote.waiting import Backoff, asked_wait

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "3600"}, 3600),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"x-ratelimit-reset": "1s"}, 1),
        ({"x-ratelimit-reset": "250ms"}, 0.25),
        ({"x-ratelimit-reset": "12"}, 12),
        ({"x-ratelimit-reset": str(NOW + 9)}, 9),
        ({"x-ratelimit-reset": str(int((NOW + 9) * 1000))}, 9),
        ({"x-ratelimit-reset": str(NOW - 9)}, 0),
        ({"x-ratelimit-reset-requests": "6m0s"}, 60),
        ({"x-ratelimit-reset-tokens": "1m1.5s"}, 60),
        ({"x-ratelimit-reset-tokens": "1m-5s"}, None),
        ({"x-ratelimit-reset-requests": "2s", "x-ratelimit-reset-tokens": "5s"}, 5),
        (
            {
                "x-ratelimit-reset-requests": "2s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-tokens": "5s",
                "x-ratelimit-remaining-tokens": "800",
            },
            2,
        ),
        ({"retry-after": "soon", "x-ratelimit-reset": "3"}, 3),
    ],
)
def test_what_is_asked(headers, seconds):
    assert asked_wait(headers, now=NOW) == (None if seconds is None else pytest.approx(seconds))


def test_waits_double_up_to_the_cap_and_differ():
    backoff = Backoff(base=1, cap=10)
    for attempt, most in enumerate([1, 2, 4, 8, 10, 10]):
        waits = {backoff.wait(attempt, None) for _ in range(50)}
        assert most / 2 <= min(waits) < max(waits) <= most
        assert len(waits) > 40
    assert backoff.wait(10**6, None) <= 10


def test_a_wait_is_never_shorter_than_asked():
    waits = [Backoff().wait(0, 3) for _ in range(50)]
    assert 3 <= min(waits) < max(waits) <= 3.3
