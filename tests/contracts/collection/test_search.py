"""Searching, filtering, recommending, in every engine alike."""

from datetime import date

import numpy as np
import pytest
from qdrant_client import models

from rolevec import Document, Role
from rolevec.errors import CollectionNotFound, InvalidFilter, InvalidText, UnsupportedByBackend
from rolevec.testing import FakeEncoder

CITIES = [
    Document("Berlin lies on the Spree", "berlin", {"lang": "de", "year": 1237, "size": 3.7, "tags": ["capital", "river"], "seen": "2024-05-01", "at": {"lat": 52.5}}),
    Document("Paris lies on the Seine", "paris", {"lang": "fr", "year": 250, "size": 2.1, "tags": ["capital"], "seen": "2023-01-31T12:00:00+00:00"}),
    Document("Hamburg lies on the Elbe", "hamburg", {"lang": "de", "year": 808, "size": 1.9, "tags": ["port", "river"], "seen": "2022-05-01", "mayor": None}),
    Document("Marseille is a port on the sea", "marseille", {"lang": "fr", "year": -600, "size": 0.9, "tags": [], "ok": True}),
]  # fmt: skip


@pytest.fixture
def cities(collection):
    collection.add(CITIES)
    return collection


def ids(hits):
    return [hit.id for hit in hits]


def test_the_nearest_come_first_with_their_cosine(cities):
    query = "a port on the sea"
    hits = cities.search(query, k=4)
    encoder = FakeEncoder()
    expected = (
        encoder.encode([c.text for c in CITIES], Role.DOCUMENT)
        @ encoder.encode([query], Role.QUERY)[0]
    )
    order = np.argsort(-expected)
    assert ids(hits) == [CITIES[i].id for i in order]
    assert np.allclose([h.score for h in hits], expected[order], atol=1e-5)
    assert hits[0].text == CITIES[3].text


def test_many_queries_as_one(cities):
    queries = [c.text for c in CITIES]
    many = cities.search_many(queries, k=2)
    assert [hits[0].id for hits in many] == [c.id for c in CITIES]
    for query, hits in zip(queries, many, strict=True):
        alone = cities.search(query, k=2)
        assert ids(alone) == ids(hits)
        assert np.allclose([h.score for h in alone], [h.score for h in hits], atol=1e-6)
    assert cities.search_many([]) == []


@pytest.mark.parametrize("k", [0, -1, 1.5, True])
def test_k_is_checked(cities, k):
    with pytest.raises(ValueError, match="k="):
        cities.search("x", k=k)


def test_an_empty_collection_finds_nothing(collection):
    assert collection.search("anything") == []
    assert collection.diverse("anything") == []
    assert collection.count() == 0


def test_a_blank_query_is_refused(cities):
    with pytest.raises(InvalidText):
        cities.search("  ")


def test_min_score(cities):
    vector = FakeEncoder().encode([CITIES[0].text], Role.DOCUMENT)[0]
    assert ids(cities.search_by_vector(vector, min_score=1.0)) == ["berlin"]
    assert len(cities.search_by_vector(vector, min_score=-1.0)) == 4


def test_equal_scores_are_sorted_by_id(collection):
    names = [str(i) for i in range(40)]
    collection.add_vectors([Document("same", i) for i in names], np.ones((40, collection.dim)))
    for k in (1, 3, 10, 40, 100):
        hits = collection.search_by_vector(np.ones(collection.dim), k=k)
        assert ids(hits) == names[:k]


FILTERS = [
    ({"lang": "de"}, "berlin hamburg"),
    ({"lang": ["de", "fr"]}, "berlin paris hamburg marseille"),
    ({"lang": {"in": []}}, ""),
    ({"lang": {"nin": ["de"]}}, "paris marseille"),
    ({"lang": {"ne": "fr"}}, "berlin hamburg"),
    ({"lang": {"$eq": "fr"}, "year": {"$gt": 0}}, "paris"),
    ({"year": {"gte": 250, "lt": 1237}}, "paris hamburg"),
    ({"year": -600}, "marseille"),
    ({"size": 2.1}, "paris"),
    ({"size": {"lte": 1.9}}, "hamburg marseille"),
    ({"tags": "river"}, "berlin hamburg"),
    ({"tags": ["port", "capital"]}, "berlin paris hamburg"),
    ({"tags": {"exists": True}}, "berlin paris hamburg"),
    ({"mayor": {"exists": False}}, "berlin paris hamburg marseille"),
    ({"mayor": None}, "hamburg"),
    ({"ok": True}, "marseille"),
    ({"ok": {"exists": True}}, "marseille"),
    ({"at.lat": {"gt": 50}}, "berlin"),
    ({"seen": {"gte": "2023-01-01"}}, "berlin paris"),
    ({"seen": {"lt": date(2023, 1, 1)}}, "hamburg"),
    ({"or": [{"year": 808}, {"lang": "fr", "ok": True}]}, "hamburg marseille"),
    ({"and": [{"lang": "de"}, {"not": {"tags": "port"}}]}, "berlin"),
    ({"not": {"or": [{"lang": "de"}, {"year": 250}]}}, "marseille"),
    ({"$id": ["paris", "missing"]}, "paris"),
    ({"$id": "berlin"}, "berlin"),
    ({"lang": ["de", 1]}, "berlin hamburg"),
    ({}, "berlin paris hamburg marseille"),
    (models.Filter(must=[models.FieldCondition(key="metadata.lang", match=models.MatchValue(value="de"))]), "berlin hamburg"),
    (models.Filter(must_not=models.FieldCondition(key="lang", match=models.MatchAny(any=["de"]))), "paris marseille"),
    (models.Filter(min_should=models.MinShould(conditions=[models.FieldCondition(key="lang", match=models.MatchValue(value="fr")), models.FieldCondition(key="metadata.year", range=models.Range(lt=0)), models.IsEmptyCondition(is_empty=models.PayloadField(key="tags"))], min_count=2)), "marseille"),
    (models.Filter(must=[models.FieldCondition(key="lang", match=models.MatchExcept(**{"except": ["de"]}))]), "paris marseille"),
    (models.Filter(must=[models.FieldCondition(key="tags", values_count=models.ValuesCount(gte=2))]), "berlin hamburg"),
]  # fmt: skip


@pytest.mark.parametrize(("where", "expected"), FILTERS)
def test_filters(cities, where, expected):
    expected = set(expected.split())
    assert {d.id for d in cities.scroll(where)} == expected
    assert cities.count(where) == len(expected)
    assert set(ids(cities.search("lies on the", where=where))) == expected


@pytest.mark.parametrize(
    "where",
    [
        {"lang": {"like": "d%"}},
        {"lang": {}},
        {"year": {"gt": "soon"}},
        {"year": {"gt": True}},
        {"year": {"lt": float("nan")}},
        {"year": 2**70},
        {"year": float("inf")},
        {"lang": object()},
        {"lang": {"in": "de"}},
        {"tags": {"exists": 1}},
        {"or": []},
        {"or": {"lang": "de"}},
        {"and": ["lang"]},
        {1: 2},
        "lang = de",
        {"x": {"text": " "}},
    ],
)
def test_a_filter_without_meaning_is_refused(cities, where):
    with pytest.raises(InvalidFilter):
        cities.count(where)


def test_recommend_by_id_text_and_vector(cities):
    assert ids(cities.recommend(["berlin"], k=1)) != ["berlin"]
    by_id = ids(cities.recommend(["marseille"], k=3))
    vector = FakeEncoder().encode([CITIES[3].text], Role.DOCUMENT)[0]
    by_vector = ids(cities.recommend([vector], k=4))
    assert by_vector[0] == "marseille"
    assert by_vector[1:] == by_id
    assert ids(cities.recommend(["a port on the sea"], k=1)) == ["marseille"]
    assert ids(cities.recommend([CITIES[3]], k=3)) == by_id


def test_disliked_examples_push_away(cities):
    liked = cities.recommend(["lies on the river"], k=4)
    pushed = cities.recommend(["lies on the river"], [liked[0].id], k=4)
    assert liked[0].id not in ids(pushed)
    where = {"lang": "fr"}
    assert set(ids(cities.recommend(["berlin"], ["hamburg"], where=where))) == {
        "paris",
        "marseille",
    }


def test_recommend_says_what_is_missing(cities):
    with pytest.raises(ValueError, match="at least one"):
        cities.recommend([])
    with pytest.raises(CollectionNotFound, match="12345"):
        cities.recommend(["12345"])


def test_diverse_results_repeat_less(collection):
    texts = ["red apples in a basket"] * 3 + ["green pears in a bowl", "apples and plums"]
    collection.add([Document(t, str(i)) for i, t in enumerate(texts)])
    plain = collection.diverse("red apples in a basket", k=3, diversity=0.0)
    assert [h.text for h in plain] == [texts[0]] * 3
    diverse = collection.diverse("red apples in a basket", k=3, diversity=0.7)
    assert diverse[0].text == texts[0]
    assert len({h.text for h in diverse}) == 3
    with pytest.raises(ValueError, match="diversity"):
        collection.diverse("x", diversity=1.5)


async def test_async_twins_do_the_same(cities):
    query = "a port on the sea"
    assert await cities.asearch(query, k=2) == cities.search(query, k=2)
    assert await cities.asearch_many([query], k=2) == cities.search_many([query], k=2)
    assert await cities.acount({"lang": "de"}) == 2
    assert await cities.aget(["paris"]) == cities.get(["paris"])
    assert await cities.arecommend(["paris"], k=2) == cities.recommend(["paris"], k=2)
    assert (await cities.aadd(["one more"])).added == 1
    assert await cities.adelete({"lang": "fr"}) == 2
    assert cities.count() == 3


def test_dimensions_are_cut_and_stay_unit(engine):
    collection = engine.open(dimensions=16)
    collection.add(CITIES)
    assert collection.dim == 16
    (vector,) = collection.get_vectors("paris").values()
    assert vector.shape == (16,)
    assert np.isclose(np.linalg.norm(vector), 1, atol=1e-6)
    assert ids(collection.search(CITIES[1].text, k=1)) == ["paris"]


@pytest.mark.parametrize("quantization", ["int8", "turbo4", "binary"])
def test_quantised_searches_are_scored_again(engine, quantization):
    if engine.name == "memory":
        with pytest.raises(UnsupportedByBackend, match="quantization"):
            engine.open(quantization=quantization)
        return
    collection = engine.open(quantization=quantization)
    collection.add(CITIES)
    query = "a port on the sea"
    exact = (
        FakeEncoder().encode([CITIES[3].text], Role.DOCUMENT)[0]
        @ FakeEncoder().encode([query], Role.QUERY)[0]
    )
    assert collection.search(query, k=1)[0].score == pytest.approx(exact, abs=1e-5)
    assert collection.search(query, k=1, rescore=False)[0].text


def test_rescoring_what_is_not_quantised_is_refused(cities):
    with pytest.raises(UnsupportedByBackend, match="quantised"):
        cities.search("x", rescore=True)
