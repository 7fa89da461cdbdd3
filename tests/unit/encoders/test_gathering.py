"""Concurrent small calls become one batch, and nobody can tell but by the clock."""

import asyncio
import copy
import multiprocessing
import pickle
import threading

import numpy as np
import pytest

from rolevec.encoders.gathering import FEW
from rolevec.errors import InputTooLong, InvalidText, InvalidVector, RolevecError
from rolevec.prompts import Prompts
from rolevec.roles import Role
from rolevec.testing import FakeEncoder
from rolevec.truncation import TruncationWarning


class Gated(FakeEncoder):
    """Records its batches; the first waits until it is let go."""

    def __init__(self, **options):
        super().__init__(**options)
        self.batches = []
        self.begun, self.go = threading.Event(), threading.Event()
        self.hold = True

    def _rows(self, texts, role, batch_size, advance):
        self.batches.append((list(texts), role))
        self.begun.set()
        if self.hold:
            self.go.wait(30)
        if "bad" in texts:
            raise RuntimeError("bad was among them")
        rows, lost = super()._rows(texts, role, batch_size, advance)
        if "nan" in texts:
            rows = np.array(rows)
            rows[texts.index("nan")] = np.nan
        return rows, [len(text) // 10 for text in texts] if "long" in texts[0] else lost


@pytest.fixture
def gated():
    encoder = Gated()
    yield encoder
    encoder.go.set()


async def behind(encoder, *calls):
    """Start calls while the first one is at work; then let it go, and give what they became."""
    first = asyncio.create_task(encoder.aencode_queries(["first"]))
    await asyncio.to_thread(encoder.begun.wait, 30)
    tasks = [asyncio.create_task(call) for call in calls]
    while len(encoder._gathering._waiting) < len(tasks):
        await asyncio.sleep(0.001)
    encoder.hold = False
    encoder.go.set()
    await first
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_waits_is_one_batch_with_the_same_results(gated):
    texts = [f"text {n % 5}" for n in range(20)]
    found = await behind(gated, *(gated.aencode_queries([text]) for text in texts))
    assert [len(batch) for batch, _ in gated.batches] == [1, 5]
    for text, rows in zip(texts, found, strict=True):
        assert np.array_equal(rows, FakeEncoder().encode_queries([text]))


async def test_alone_a_call_goes_at_once(gated):
    gated.hold = False
    for text in ("a", "b"):
        await gated.aencode([text], Role.DOCUMENT)
    assert [batch for batch, _ in gated.batches] == [["a"], ["b"]]


async def test_roles_do_not_mix_and_dimensions_are_each_callers_own(gated):
    found = await behind(
        gated,
        gated.aencode_queries(["a", "b"]),
        gated.aencode_documents(["a"]),
        gated.aencode(["a", "a"], Role.QUERY, dimensions=4),
    )
    plain = FakeEncoder()
    assert np.array_equal(found[0], plain.encode_queries(["a", "b"]))
    assert np.array_equal(found[1], plain.encode_documents(["a"]))
    assert np.array_equal(found[2], plain.encode(["a", "a"], Role.QUERY, dimensions=4))
    assert [(len(batch), role) for batch, role in gated.batches[1:]] == [
        (2, Role.QUERY),
        (1, Role.DOCUMENT),
    ]


@pytest.mark.parametrize(
    ("text", "kind"), [("bad", RuntimeError), ("nan", InvalidVector), (" ", InvalidText)]
)
async def test_an_error_stays_with_the_call_that_caused_it(gated, text, kind):
    others = ["a", "b", "c"]
    calls = [gated.aencode_queries([t]) for t in others]
    if text == " ":  # refused before it gets into a batch
        with pytest.raises(kind):
            await gated.aencode_queries([text])
        found = await behind(gated, *calls)
    else:
        *found, error = await behind(gated, *calls, gated.aencode_queries([text]))
        assert type(error) is kind
    for other, rows in zip(others, found, strict=True):
        assert np.array_equal(rows, FakeEncoder().encode_queries([other]))


async def test_a_cancelled_call_harms_nobody(gated):
    first = asyncio.create_task(gated.aencode_queries(["first"]))
    await asyncio.to_thread(gated.begun.wait, 30)
    tasks = [asyncio.create_task(gated.aencode_queries([t])) for t in ("a", "gone", "b")]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    first.cancel()  # at work already: its batch goes on, its caller does not wait
    gated.hold = False
    gated.go.set()
    found = await asyncio.gather(first, *tasks, return_exceptions=True)
    assert [type(f) for f in (found[0], found[2])] == [asyncio.CancelledError] * 2
    for text, rows in (("a", found[1]), ("b", found[3])):
        assert np.array_equal(rows, FakeEncoder().encode_queries([text]))
    assert ["a", "b"] in [batch for batch, _ in gated.batches]


async def test_truncation_is_told_to_each_caller_alone():
    encoder = Gated(truncation="error")
    ok, refused = await behind(
        encoder, encoder.aencode_queries(["long"]), encoder.aencode_queries(["x" * 30])
    )
    assert ok.shape == (1, encoder.dim)
    assert isinstance(refused, InputTooLong)
    warner = Gated(truncation="warn")
    with pytest.warns(TruncationWarning, match="1 of 1") as caught:
        await behind(warner, warner.aencode_queries(["long"]), warner.aencode_queries(["y" * 30]))
    assert len(caught) == 1


async def test_many_texts_are_a_batch_of_their_own(gated):
    gated.hold = False
    texts = [f"t{n}" for n in range(FEW + 1)]
    rows = await gated.aencode_documents(texts)
    assert np.array_equal(rows, FakeEncoder().encode_documents(texts))
    assert gated._gathering._pool is None


async def test_nothing_gives_nothing(gated):
    assert (await gated.aencode_queries([])).shape == (0, gated.dim)
    assert not gated.batches


def test_event_loops_in_several_threads_share_batches():
    encoder = FakeEncoder()
    texts = [[f"{thread}-{n % 7}" for n in range(60)] for thread in range(4)]
    found = [None] * 4

    async def all_of(some):
        return np.concatenate(await asyncio.gather(*(encoder.aencode_queries([t]) for t in some)))

    def run(thread):
        found[thread] = asyncio.run(all_of(texts[thread]))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for some, rows in zip(texts, found, strict=True):
        assert np.array_equal(rows, encoder.encode_queries(some))


async def test_copies_and_pickles_start_afresh():
    encoder = FakeEncoder()
    await encoder.aencode_queries(["a"])
    for other in (pickle.loads(pickle.dumps(encoder)), copy.deepcopy(encoder)):
        assert other._gathering is not encoder._gathering
        assert np.array_equal(
            await other.aencode_queries(["a"]), await encoder.aencode_queries(["a"])
        )


async def test_encoders_that_share_a_model_keep_their_prompts():
    encoder = FakeEncoder()
    bare = object.__new__(type(encoder))
    bare.__dict__.update(encoder.__dict__, prompts=Prompts())
    both = await asyncio.gather(
        *(e.aencode_queries([f"{n}"]) for n in range(20) for e in (encoder, bare))
    )
    expected = [e.encode_queries([f"{n}"]) for n in range(20) for e in (encoder, bare)]
    assert np.array_equal(np.stack(both), np.stack(expected))


async def test_a_closed_encoder_says_so():
    encoder = FakeEncoder()
    encoder.close()
    with pytest.raises(RolevecError, match="closed"):
        await encoder.aencode_queries(["a"])


def _in_child(encoder, queue):
    queue.put(asyncio.run(encoder.aencode_queries(["a"])).tolist())


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system"
)
def test_a_forked_child_has_a_thread_of_its_own():
    encoder = FakeEncoder()
    rows = asyncio.run(encoder.aencode_queries(["a"]))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(encoder, queue))
    child.start()
    assert queue.get(timeout=60) == rows.tolist()
    child.join(60)
