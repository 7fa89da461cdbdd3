from rolevec.server import KeySettings
from rolevec.server.keys import Keys, Rate, digest, new_key, retry_after


def test_keys_are_found_by_their_hash_only():
    one, two = new_key(), new_key()
    assert one != two
    settings = [KeySettings("one", digest(one)), KeySettings("two", digest(two))]
    keys = Keys(settings)
    assert keys.find(one.encode())[0] == "one"
    assert keys.find(two.encode())[0] == "two"
    for wrong in (b"", b"x", digest(one).encode(), one.encode()[:-1], one.encode() + b" "):
        assert keys.find(wrong) is None
    assert one not in repr(settings)
    assert not Keys(())


def test_a_rate_is_a_bucket_that_fills():
    now = [0.0]
    rate = Rate(60, lambda: now[0])
    assert [rate.take() for _ in range(10)] == [0.0] * 10
    assert rate.take() == 1.0
    now[0] += 0.5
    assert rate.take() == 0.5
    now[0] += 0.5
    assert rate.take() == 0.0
    now[0] += 1000
    assert [rate.take() for _ in range(11)] == [0.0] * 10 + [1.0]


def test_a_slow_rate_still_lets_one_through():
    rate = Rate(1, lambda: 0.0)
    assert rate.take() == 0.0
    assert rate.take() == 60.0
    assert all(Rate(0).take() == 0.0 for _ in range(1000))


def test_retry_after_is_whole_seconds():
    assert [retry_after(s) for s in (0, 0.2, 1, 1.1, 60)] == ["1", "1", "1", "2", "60"]
