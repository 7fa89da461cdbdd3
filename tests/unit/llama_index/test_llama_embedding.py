"""RolevecEmbedding: roles, batches, events, caches, serialisation."""

import asyncio
import copy
import pickle
import threading

import numpy as np
import pytest
from llama_index.core import Settings
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.instrumentation.events.embedding import EmbeddingEndEvent, EmbeddingStartEvent
from llama_index.core.schema import TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from pydantic import ValidationError

from rolevec.encoders.static import StaticEncoder
from rolevec.errors import InvalidText
from rolevec.llama_index import RolevecEmbedding
from rolevec.roles import Role
from rolevec.testing import FakeEncoder

TEXTS = ["one apple", "two pears", "three plums", "four figs", "five dates"]


class Recording(FakeEncoder):
    """Notes each call, and the thread it ran in."""

    def __init__(self, **options):
        super().__init__(**options)
        self.calls = []

    def encode_with_report(self, texts, role, **options):
        self.calls.append((role, list(texts), threading.get_ident()))
        return super().encode_with_report(texts, role, **options)


@pytest.fixture
def recording():
    return Recording()


@pytest.fixture
def embedding(recording):
    return RolevecEmbedding.from_encoder(recording, embed_batch_size=2)


def expected(role, texts=TEXTS, encoder=None):
    return (encoder or FakeEncoder()).encode(texts, role).tolist()


def test_queries_and_texts_have_their_roles(embedding):
    assert embedding.get_query_embedding("one apple") == expected(Role.QUERY)[0]
    assert embedding.get_text_embedding("one apple") == expected(Role.DOCUMENT)[0]
    assert embedding.get_text_embedding_batch(TEXTS) == expected(Role.DOCUMENT)
    aggregated = embedding.get_agg_embedding_from_queries(TEXTS[:2])
    np.testing.assert_allclose(aggregated, np.mean(expected(Role.QUERY, TEXTS[:2]), axis=0))
    assert type(embedding.get_query_embedding("one apple")[0]) is float
    assert embedding.get_text_embedding_batch([]) == []


async def test_async_is_the_same_and_off_the_event_loop(embedding, recording):
    assert await embedding.aget_query_embedding("one apple") == expected(Role.QUERY)[0]
    assert await embedding.aget_text_embedding("one apple") == expected(Role.DOCUMENT)[0]
    assert await embedding.aget_text_embedding_batch(TEXTS) == expected(Role.DOCUMENT)
    assert len(recording.calls) == 5
    assert threading.get_ident() not in {thread for _, _, thread in recording.calls}


def test_one_call_to_the_encoder_per_batch(embedding, recording):
    embedding.get_text_embedding_batch(TEXTS)
    assert [texts for _, texts, _ in recording.calls] == [TEXTS[:2], TEXTS[2:4], TEXTS[4:]]


def test_the_largest_batch_is_one_call(recording):
    embedding = RolevecEmbedding.from_encoder(recording, embed_batch_size=2048)
    embedding.get_text_embedding_batch([f"text {i}" for i in range(2048)])
    assert len(recording.calls) == 1
    with pytest.raises(ValidationError, match="2048"):
        RolevecEmbedding(embed_batch_size=2049)


def test_nodes_are_embedded_with_their_metadata(embedding):
    (node,) = embedding([TextNode(text="apple", metadata={"lang": "en"})])
    assert node.embedding == expected(Role.DOCUMENT, ["lang: en\n\napple"])[0]


def test_a_blank_text_is_an_error(embedding):
    with pytest.raises(InvalidText, match="text 1 is blank"):
        embedding.get_text_embedding_batch(["fine", " "])


def test_a_folder_is_loaded_once_and_on_first_use(static_folder):
    embedding = RolevecEmbedding(static_folder, dimensions=16)
    threads = [threading.Thread(target=lambda: embedding.encoder) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert embedding.encoder is embedding.encoder
    assert embedding.encoder.fingerprint == StaticEncoder(static_folder, dimensions=16).fingerprint
    assert len(embedding.get_query_embedding("fox")) == 16


def test_options_are_checked(static_folder):
    with pytest.raises(ValidationError, match="modle"):
        RolevecEmbedding(modle="light")
    with pytest.raises(ValidationError, match="truncation"):
        RolevecEmbedding(truncation="maybe")
    with pytest.raises(TypeError, match="pooling"):
        _ = RolevecEmbedding(static_folder, pooling="cls").encoder


def test_the_model_cannot_be_changed_behind_its_vectors(embedding):
    for field in ("model_name", "dimensions", "prompts", "embeddings_cache"):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(embedding, field, None)
    embedding.embed_batch_size = 7
    assert embedding.embed_batch_size == 7


# Events


async def test_events_and_callbacks(listener, recording):
    debug = LlamaDebugHandler(print_trace_on_end=False)
    embedding = RolevecEmbedding.from_encoder(
        recording, embed_batch_size=3, callback_manager=CallbackManager([debug])
    )
    embedding.get_query_embedding("one apple")
    embedding.get_text_embedding_batch(TEXTS)
    await embedding.aget_text_embedding_batch(TEXTS)
    starts = [e for e in listener.events if isinstance(e, EmbeddingStartEvent)]
    ends = [e for e in listener.events if isinstance(e, EmbeddingEndEvent)]
    assert len(starts) == len(ends) == 5
    assert starts[0].model_dict["class_name"] == "RolevecEmbedding"
    assert ends[0].embeddings == expected(Role.QUERY)[:1]
    assert [len(e.chunks) for e in ends] == [1, 3, 2, 3, 2]
    pairs = debug.get_event_pairs(CBEventType.EMBEDDING)
    assert [p[1].payload[EventPayload.CHUNKS] for p in pairs][:2] == [["one apple"], TEXTS[:3]]


def test_settings_take_it(embedding):
    Settings.embed_model = embedding
    try:
        assert Settings.embed_model is embedding
        assert embedding.callback_manager is Settings.callback_manager
        assert Settings.embed_model.get_query_embedding("one apple") == expected(Role.QUERY)[0]
    finally:
        Settings._embed_model = None


# LlamaIndex's embeddings cache


def with_cache(store, **options):
    encoder = Recording(**options)
    return RolevecEmbedding.from_encoder(encoder, embeddings_cache=store), encoder


def test_the_cache_is_used():
    embedding, encoder = with_cache(SimpleKVStore())
    for _ in range(2):
        assert embedding.get_text_embedding_batch(TEXTS) == expected(Role.DOCUMENT)
        assert embedding.get_query_embedding("one apple") == expected(Role.QUERY)[0]
    assert len(encoder.calls) == 2


def test_the_cache_keeps_roles_apart():
    store = SimpleKVStore()
    embedding, _ = with_cache(store)
    embedding.get_text_embedding_batch(TEXTS)
    assert embedding.get_query_embedding("one apple") == expected(Role.QUERY)[0]
    assert embedding.get_text_embedding("one apple") == expected(Role.DOCUMENT)[0]
    again, encoder = with_cache(store)
    assert again.get_query_embedding("one apple") == expected(Role.QUERY)[0]
    assert encoder.calls == []


@pytest.mark.parametrize("other", [{"name": "other"}, {"dimensions": 32}, {"prompts": {}}])
def test_the_cache_keeps_models_apart(other):
    store = SimpleKVStore()
    with_cache(store)[0].get_text_embedding_batch(TEXTS)
    embedding, encoder = with_cache(store, **other)
    wanted = expected(Role.DOCUMENT, encoder=FakeEncoder(**other))
    assert embedding.get_text_embedding_batch(TEXTS) == wanted
    assert len(encoder.calls) == 1


async def test_the_cache_keeps_roles_apart_in_concurrent_tasks():
    embedding, _ = with_cache(SimpleKVStore())
    for _ in range(2):
        query, text = await asyncio.gather(
            embedding.aget_query_embedding("one apple"), embedding.aget_text_embedding("one apple")
        )
        assert query == expected(Role.QUERY)[0]
        assert text == expected(Role.DOCUMENT)[0]


def test_a_cache_of_the_wrong_type_is_refused():
    with pytest.raises((TypeError, ValidationError), match="BaseKVStore"):
        RolevecEmbedding(embeddings_cache={})


# Serialisation


def test_to_dict_and_back(static_folder):
    embedding = RolevecEmbedding(static_folder, dimensions=16, embed_batch_size=5)
    data = embedding.to_dict()
    assert data == RolevecEmbedding(static_folder, dimensions=16, embed_batch_size=5).to_dict()
    again = RolevecEmbedding.from_dict(data)
    assert again.to_dict() == data
    assert again.get_query_embedding("fox") == embedding.get_query_embedding("fox")
    assert RolevecEmbedding.from_json(embedding.to_json()).to_dict() == data


def test_to_dict_changes_with_whatever_changes_vectors(static_folder, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in static_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    prompts = {"query": "ask: ", "document": "text: "}
    variants = [{}, {"dimensions": 16}, {"prompts": prompts}]
    seen = [str(RolevecEmbedding(folder, **v).to_dict()) for v in variants]
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    seen.append(str(RolevecEmbedding(folder).to_dict()))
    assert len(set(seen)) == 4


def test_secrets_stay_inside(static_folder):
    embedding = RolevecEmbedding("fake:x", api_key="s3cret")
    assert "s3cret" not in repr(embedding) + str(embedding) + str(embedding.to_payload())
    assert b"s3cret" not in pickle.dumps(embedding)
    assert "s3cret" not in str(embedding.model_dump())


def test_pickle_and_deepcopy(static_folder):
    folder = RolevecEmbedding(static_folder, dimensions=16)
    given = RolevecEmbedding.from_encoder(FakeEncoder(dim=32), embeddings_cache=SimpleKVStore())
    for embedding in (folder, given):
        before = embedding.get_query_embedding("fox")
        for twin in (pickle.loads(pickle.dumps(embedding)), copy.deepcopy(embedding)):
            assert twin.get_query_embedding("fox") == before
            assert twin.to_dict() == embedding.to_dict()
