"""Recommending beyond the plain call, in every engine alike."""

import numpy as np
import pytest

from rolevec import Document
from rolevec.errors import CollectionMismatch, CollectionNotFound, InvalidDocument
from rolevec.qdrant import Profile
from rolevec.ranking.recommend import preference
from rolevec.testing import FakeEncoder
from rolevec.vectors import unit_rows

DIM = 16
TIGHT = [0, 1, 2]  # nearly the same vector; the rest is further off, each in its own direction


def vectors():
    rng = np.random.default_rng(3)
    rows = unit_rows(np.eye(DIM)[0] + 0.4 * rng.normal(size=(200, DIM)))
    rows[TIGHT] = unit_rows(np.eye(DIM)[0] + 0.01 * rng.normal(size=(3, DIM)))
    return rows


@pytest.fixture
def shop(engine):
    shop = engine.open(FakeEncoder(dim=DIM))
    things = [
        Document(f"thing {i}", f"t{i}", {"kind": "odd" if i % 2 else "even"}) for i in range(200)
    ]
    shop.add_vectors(things, vectors())
    return shop


def ids(hits):
    return [hit.id for hit in hits]


def nearest_to(aim, without=()):
    order = np.argsort(-(vectors() @ aim), kind="stable")
    return [f"t{i}" for i in order if f"t{i}" not in without]


def test_excluded_documents_never_come(shop):
    aim = vectors()[0]
    every = nearest_to(aim)
    for count in (1, 10, 150, 198):  # few are dropped, many are filtered
        left_out = every[:count]
        assert ids(shop.recommend([aim], exclude=left_out, k=5)) == every[count:][:5]
    assert ids(shop.recommend([aim], exclude=iter(["t0", "absent", "7"]), k=3)) == every[1:4]
    assert shop.recommend([aim], exclude=every) == []
    where = {"kind": "odd"}
    odd = [i for i in every if int(i[1:]) % 2]
    assert (
        ids(shop.recommend([aim], exclude=every[:150], where=where, k=3))
        == [i for i in odd if i not in every[:150]][:3]
    )
    with pytest.raises(InvalidDocument):
        shop.recommend([aim], exclude=[1.5])


def test_more_like_one(shop):
    expected = nearest_to(vectors()[5], without={"t5"})
    assert ids(shop.more_like("t5", k=5)) == expected[:5]
    assert ids(shop.more_like("t5", k=2, exclude=expected[:1])) == expected[1:3]
    assert (
        ids(shop.more_like("t5", k=9, where={"kind": "even"}))
        == [i for i in expected if int(i[1:]) % 2 == 0][:9]
    )
    with pytest.raises(CollectionNotFound, match="'a text'"):
        shop.more_like("a text")


def test_a_diverse_result_repeats_itself_less(shop):
    plain, diverse = shop.more_like("t0", k=4), shop.more_like("t0", k=4, diversity=0.9)
    assert {"t1", "t2"} <= set(ids(plain))
    assert not {"t1", "t2"} <= set(ids(diverse))
    assert diverse[0] == plain[0]
    assert "t0" not in ids(diverse)
    left_out = [f"t{i}" for i in range(100)]
    some = shop.recommend([vectors()[0]], exclude=left_out, diversity=0.5, k=20)
    assert len(some) == 20
    assert not set(left_out) & set(ids(some))
    with pytest.raises(ValueError, match="diversity"):
        shop.more_like("t0", diversity=2)


def test_a_profile_recommends_as_its_examples_do(shop):
    profile = shop.update_profile(None, ["t3", "t4"], ["t9"])
    assert profile.seen == ("t3", "t4", "t9")
    assert profile.fingerprint == shop.fingerprint
    direct = shop.recommend(["t3", "t4"], ["t9"], k=5)
    assert ids(shop.recommend(profile, k=5)) == ids(direct)
    assert np.allclose(profile.vector(), preference(vectors()[[3, 4]], vectors()[[9]]), atol=1e-6)
    pushed = shop.recommend(profile, ["t20"], k=200)
    assert "t20" not in ids(pushed)
    assert profile.disliked.weight == 1


def test_a_profile_goes_on_from_a_file(shop, tmp_path):
    profile = shop.update_profile(None, ["t3"], seen=["t50", "t51"])
    profile.save(tmp_path / "user.json")
    loaded = Profile.load(tmp_path / "user.json")
    assert loaded == profile
    later = shop.update_profile(loaded, [vectors()[8]], decay=0.5)
    assert later.liked.weight == 1.5
    assert loaded.liked.weight == 1
    found = ids(shop.recommend(later, k=200))
    assert {"t3", "t50", "t51"}.isdisjoint(found)
    assert len(found) == 197


def test_a_profile_of_another_encoder_is_refused(shop):
    profile = shop.update_profile(None, ["t1"])
    other = Profile(FakeEncoder(dim=DIM, name="other").fingerprint, profile.liked)
    for use in (shop.recommend, shop.update_profile):
        with pytest.raises(CollectionMismatch, match=r"other.*differ in model"):
            use(other)
    with pytest.raises(ValueError, match="likes nothing"):
        shop.recommend(shop.update_profile(None))


def test_a_text_is_no_list_of_examples(shop):
    for use in (lambda: shop.recommend("t1"), lambda: shop.update_profile(None, "t1")):
        with pytest.raises(ValueError, match="lists of examples"):
            use()


async def test_async_twins(shop):
    assert await shop.amore_like("t1", k=3) == shop.more_like("t1", k=3)
    profile = await shop.aupdate_profile(None, ["t1"])
    assert await shop.arecommend(profile, k=3) == shop.recommend(profile, k=3)
