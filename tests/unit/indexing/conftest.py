import json

import numpy as np
import pytest

from rolevec import Collection, load_encoder


@pytest.fixture(scope="session")
def light():
    with load_encoder("light", truncation="end") as encoder:
        yield encoder


@pytest.fixture
def store(tmp_path, light):
    """Opens the one collection of a test, again and again."""
    opened = []

    def call(name="c", place=None, encoder=None):
        collection = Collection.open(name, encoder or light, store=place or tmp_path / "store")
        opened.append(collection)
        return collection

    yield call
    for collection in opened:
        collection.close()


def contents(collection):
    """Everything in a collection: point id -> payload and vector."""
    return {
        point.id: (json.dumps(point.payload, sort_keys=True), np.asarray(point.vector).tobytes())
        for point in collection.scroll_points(with_vectors=True)
    }


@pytest.fixture(name="contents")
def contents_fixture():
    return contents
