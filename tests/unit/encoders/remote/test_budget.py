"""No minute holds more than was allowed, whoever asks."""

import asyncio
import threading
import time

import pytest
from remote_faulty import Fault

from rolevec.encoders.loading import load_encoder
from rolevec.encoders.remote.budget import Budget, estimate_tokens, shared_budget


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds


def sent_at(budget, clock, amounts):
    """When each of several requests may go, one asked for after the other."""

    async def send():
        times = []
        for tokens in amounts:
            await budget.wait(tokens, clock.sleep)
            times.append((clock.now, tokens))
        return times

    return asyncio.run(send())


def most_in_a_minute(times, weigh):
    return max(
        sum(weigh(tokens) for at, tokens in times if start <= at < start + 60 - 1e-6)
        for start, _ in times
    )


@pytest.mark.parametrize("limit", [1, 2, 10, 100, 300])
def test_requests_a_minute(limit):
    clock = Clock()
    budget = Budget(clock)
    budget.limit(limit, None)
    times = sent_at(budget, clock, [5] * (3 * limit))
    assert most_in_a_minute(times, lambda _: 1) <= limit
    # Nor is it wasteful: nine tenths of the allowance are used.
    assert times[-1][0] - times[0][0] <= 3 * 60 / 0.9


@pytest.mark.parametrize("amounts", [[10] * 300, [100] * 40, [1, 99, 20, 60] * 20])
def test_tokens_a_minute(amounts):
    clock = Clock()
    budget = Budget(clock)
    budget.limit(None, 1000)
    times = sent_at(budget, clock, amounts)
    assert most_in_a_minute(times, lambda tokens: tokens) <= 1000


def test_a_request_larger_than_the_limit_waits_until_it_is_paid_for():
    clock = Clock()
    budget = Budget(clock)
    budget.limit(None, 1000)
    (first, _), (second, _) = sent_at(budget, clock, [2500, 10])
    assert first == pytest.approx(1000 + (2500 - 100) / 901 * 60)
    assert second - first == pytest.approx(10 / 901 * 60)


def test_requests_are_made_small_enough_for_it(load, server):
    texts = [f"{n} " + "word " * 20 for n in range(20)]
    encoder = load("cohere", tokens_per_minute=1_000_000, api_key="rich")
    server.requests.clear()
    encoder.encode_documents(texts)
    assert len(server.sent()) == 1
    encoder = load("cohere", tokens_per_minute=2000, api_key="poor")
    server.requests.clear()
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(encoder.aencode_documents(texts), 0.3))
    assert all(estimate_tokens(seen.texts) <= 200 for seen in server.sent())


def test_what_was_estimated_too_high_is_given_back():
    clock = Clock()
    budget = Budget(clock)
    budget.limit(None, 6000)
    assert budget.reserve(600) == 0
    assert budget.reserve(5401) == pytest.approx(60)
    budget.correct(-5401)
    assert budget.reserve(90) == pytest.approx(1, rel=0.01)


def test_a_cancelled_wait_takes_nothing():
    clock = Clock()
    budget = Budget(clock)
    budget.limit(1, None)
    budget.reserve(0)

    async def give_up(seconds):
        raise asyncio.CancelledError

    for _ in range(5):
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(budget.wait(0, give_up))
    assert budget.reserve(0) == pytest.approx(60)


def test_a_pause_holds_everybody_back():
    clock = Clock()
    budget = Budget(clock)
    budget.pause(5)
    budget.pause(2)
    assert budget.reserve(1) == 5
    asyncio.run(budget.wait(1, clock.sleep))
    assert clock.now == 1005


def test_threads_share_it():
    clock = Clock()
    budget = Budget(clock)
    budget.limit(1000, None)
    threads = [
        threading.Thread(target=lambda: [budget.reserve(0) for _ in range(50)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # 401st of a limit of 1000: a burst of 100, then 901 a minute.
    assert budget.reserve(0) == pytest.approx(301 / 901 * 60)


def test_one_budget_for_a_key_and_host():
    mine = shared_budget("host", "key", 10, None)
    assert shared_budget("host", "key", None, 500) is mine
    assert shared_budget("host", "other key", 10, None) is not mine
    assert shared_budget("other host", "key", 10, None) is not mine


def test_estimates_are_no_less_than_a_token_for_four_letters():
    assert estimate_tokens(["word " * 40]) >= 50
    assert estimate_tokens(["短文本", "a"]) >= 4


def test_two_encoders_share_what_the_endpoint_allows(start):
    server = start(dim=384)
    # A model whose dimension is known, so that loading takes nothing of the budget.
    first, second = (
        load_encoder("cohere:embed-multilingual-light-v3.0", base_url=server.url, **limits)
        for limits in ({"requests_per_minute": 1}, {})
    )
    assert first.encode_queries(["a text"]).shape == (1, 384)
    for encoder in (first, second):
        with pytest.raises(TimeoutError):
            asyncio.run(asyncio.wait_for(encoder.aencode_queries(["a text"]), 0.2))
    assert len(server.requests) == 1
    first.close()
    second.close()


def test_encoders_of_different_keys_do_not(load, server):
    load("cohere", requests_per_minute=1, api_key="one")
    other = load("cohere", requests_per_minute=1000, api_key="two")
    assert other.encode_queries(["a text"]).shape == (1, 16)


def test_one_that_is_told_to_wait_holds_the_others_back(load, server):
    encoder = load("cohere", concurrency=1)
    other = load("cohere", concurrency=1)
    server.requests.clear()
    server.faults.append(Fault("status", 429, {"Retry-After": "1"}))
    waiting = threading.Thread(target=encoder.encode_queries, args=(["first"],))
    waiting.start()
    while server.faults:
        time.sleep(0.001)
    other.encode_queries(["second"])
    waiting.join()
    texts = [seen.texts for seen in server.sent()]
    assert texts[0] == ["first"]
    assert sorted(texts[1:]) == [["first"], ["second"]]
