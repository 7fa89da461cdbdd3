import numpy as np
import pytest

from rolevec.documents import Document
from rolevec.testing import FakeEncoder

TOPICS = {
    "bread": "flour oven yeast {}",
    "sea": "wave harbour sail {}",
    "law": "court judge oath {}",
}


def documents(each=12):
    rows = [
        Document(text.format(f"number{n}"), f"{topic}-{n}", {"topic": topic, "year": 2000 + n})
        for topic, text in TOPICS.items()
        for n in range(each)
    ]
    return rows[2:]


@pytest.fixture
def filled(collection):
    """Three topics of 10, 12 and 12 documents, whose vectors lie around three axes."""
    rows = documents()
    rng = np.random.default_rng(0)
    axes = {topic: axis for axis, topic in enumerate(TOPICS)}
    vectors = 0.1 * rng.normal(size=(len(rows), collection.dim))
    vectors[np.arange(len(rows)), [axes[row.metadata["topic"]] for row in rows]] += 1
    collection.add_vectors(rows, vectors)
    return collection


def topics_of(found):
    return [
        {found.documents[row].metadata["topic"] for row in found.members(label)}
        for label in range(len(found))
    ]


@pytest.mark.parametrize("how", [{"n_clusters": 3}, {}, {"method": "density"}])
def test_documents_are_grouped_and_named(filled, how):
    found = filled.cluster(**how)
    assert found.sizes.tolist() == [12, 12, 10]
    assert [len(topics) for topics in topics_of(found)] == [1, 1, 1]
    for label, (topic,) in enumerate(topics_of(found)):
        assert set(found.keywords[label][:3]) == set(TOPICS[topic].split()[:3])
        assert found.documents[found.exemplars[label]].metadata["topic"] == topic
    stored = filled.get_vectors([document.id for document in found.documents])
    expected = [stored[document.id] for document in found.documents]
    assert np.allclose(found.vectors, expected, atol=1e-6)


def test_where_and_limit_choose_the_documents(filled):
    found = filled.cluster(2, where={"topic": ["sea", "law"]})
    assert found.sizes.tolist() == [12, 12]
    assert sorted(map(str, topics_of(found))) == ["{'law'}", "{'sea'}"]
    assert filled.cluster(2, limit=5).labels.shape == (5,)
    assert filled.cluster(2, limit=500).labels.shape == (34,)
    nothing = filled.cluster(2, where={"topic": "none"})
    assert (len(nothing), list(nothing.documents)) == (0, [])
    with pytest.raises(ValueError, match="limit=0"):
        filled.cluster(2, limit=0)


def test_clusters_cut_across_a_field(filled):
    found = filled.cluster(3, group_field="topic")
    assert max(len(topics) for topics in topics_of(found)) > 1


async def test_the_twin_gives_the_same(filled):
    assert (await filled.acluster(3)).labels.tolist() == filled.cluster(3).labels.tolist()


def test_an_empty_collection_has_no_clusters(engine):
    found = engine.open(FakeEncoder()).cluster()
    assert (len(found), found.labels.shape) == (0, (0,))
