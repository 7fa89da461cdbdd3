import asyncio
import copy
import json
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from langchain_core.load import dumps, load, loads
from pydantic import ValidationError

from rolevec import Role
from rolevec.encoders.loading import register_encoder
from rolevec.errors import InvalidText, UnknownModel
from rolevec.langchain import RolevecEmbeddings
from rolevec.testing import FakeEncoder


@pytest.fixture
def embeddings(static_folder):
    return RolevecEmbeddings(f"static:{static_folder}", dimensions=16)


def test_each_method_has_its_role(embeddings):
    text = "the lazy dog"
    query, document = embeddings.embed_query(text), embeddings.embed_documents([text])[0]
    assert query != document
    assert query == embeddings.encoder.encode([text], Role.QUERY)[0].tolist()
    assert document == embeddings.embed([text], "search_document")[0]
    assert isinstance(query[0], float)
    assert len(query) == 16
    assert np.isclose(np.linalg.norm(query), 1, atol=1e-6)


def test_no_documents_are_no_vectors(embeddings):
    assert embeddings.embed_documents([]) == []
    with pytest.raises(InvalidText):
        embeddings.embed_query(" ")


async def test_async_twins_give_the_same_and_let_the_loop_go_on(embeddings):
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    clock = asyncio.create_task(tick())
    texts = [f"dog number {i}" for i in range(2000)]
    vectors = await embeddings.aembed_documents(texts)
    clock.cancel()
    assert vectors == embeddings.embed_documents(texts)
    assert ticks > 3
    assert await embeddings.aembed_query("dog") == embeddings.embed_query("dog")


@pytest.mark.filterwarnings("ignore:The function")
def test_serialisation_round_trip(embeddings):
    text = dumps(embeddings)
    assert json.loads(text)["id"] == ["rolevec", "langchain", "embeddings", "RolevecEmbeddings"]
    again = loads(text, allowed_objects=[RolevecEmbeddings], valid_namespaces=["rolevec"])
    assert again == embeddings
    assert again.embed_query("dog") == embeddings.embed_query("dog")


@pytest.mark.filterwarnings("ignore:The function")
def test_a_key_never_shows():
    embeddings = RolevecEmbeddings("light", api_key="sk-hidden")
    written = dumps(embeddings)
    for text in (repr(embeddings), str(embeddings), written):
        assert "sk-hidden" not in text
    again = load(
        json.loads(written),
        allowed_objects=[RolevecEmbeddings],
        valid_namespaces=["rolevec"],
        secrets_map={"ROLEVEC_API_KEY": "sk-hidden"},
    )
    assert again.api_key.get_secret_value() == "sk-hidden"
    assert b"sk-hidden" not in pickle.dumps(embeddings)
    assert copy.deepcopy(embeddings).api_key == embeddings.api_key


@pytest.mark.parametrize(
    "clone", [copy.deepcopy, copy.copy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_copies_before_and_after_use(embeddings, clone):
    assert clone(embeddings).embed_query("dog") == embeddings.embed_query("dog")
    assert clone(embeddings).embed_query("dog") == embeddings.embed_query("dog")


def test_an_encoder_handed_in():
    embeddings = RolevecEmbeddings.from_encoder(FakeEncoder(dim=8))
    assert len(embeddings.embed_query("x")) == 8
    assert json.loads(dumps(embeddings))["type"] == "not_implemented"
    assert pickle.loads(pickle.dumps(embeddings)).embed_query("x") == embeddings.embed_query("x")
    assert copy.deepcopy(embeddings).encoder is embeddings.encoder


def test_mistakes_are_said(static_folder):
    with pytest.raises(UnknownModel, match="lihgt"):
        RolevecEmbeddings("lihgt").embed_query("x")
    with pytest.raises(ValidationError, match="batchsize"):
        RolevecEmbeddings("light", batchsize=3)
    with pytest.raises(TypeError, match="threads"):
        RolevecEmbeddings(f"static:{static_folder}", threads=3).embed_query("x")
    with pytest.raises(ValidationError, match="truncation"):
        RolevecEmbeddings("light", truncation="maybe")
    with pytest.raises(ValueError, match="api_key="):
        RolevecEmbeddings("light", options={"api_key": "sk-hidden"})


def test_settings_and_options_reach_the_encoder():
    seen = {}

    def make(rest, **options):
        seen.update(options, rest=rest)
        return FakeEncoder()

    register_encoder("seen-by-test", make)
    RolevecEmbeddings(
        "seen-by-test:x", revision="r1", api_key="sk-hidden", options={"mine": 1}
    ).embed_query("x")
    assert seen["rest"] == "x"
    assert (seen["revision"], seen["api_key"], seen["mine"]) == ("r1", "sk-hidden", 1)
    assert "pooling" not in seen


async def test_loading_does_not_hold_the_event_loop():
    loop_went_on = threading.Event()

    def make(rest, **options):
        assert loop_went_on.wait(10), "the event loop stood still while the model was loading"
        return FakeEncoder()

    register_encoder("waits-for-loop", make)
    vector = asyncio.create_task(RolevecEmbeddings("waits-for-loop:x").aembed_query("dog"))
    await asyncio.sleep(0.01)
    loop_went_on.set()
    assert len(await vector) == 64


def test_two_threads_load_one_model(static_folder):
    embeddings = RolevecEmbeddings(f"static:{static_folder}")
    with ThreadPoolExecutor(8) as pool:
        encoders = list(pool.map(lambda _: embeddings.encoder, range(8)))
    assert len(set(map(id, encoders))) == 1
