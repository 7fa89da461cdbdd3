"""IngestionPipeline with our embedding and store: strategies, cache, worker processes."""

import pytest
from llama_index.core import Document
from llama_index.core.ingestion import DocstoreStrategy, IngestionCache, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.storage.docstore import SimpleDocumentStore

from rolevec.llama_index import RolevecEmbedding, RolevecVectorStore
from rolevec.testing import FakeEncoder

TEXTS = {"d1": "red apples are sweet", "d2": "blue cars are fast", "d3": "cold rain falls"}


class Counting(FakeEncoder):
    """Counts the texts it encodes."""

    texts = 0

    def encode_with_report(self, texts, role, **options):
        self.texts += len(texts)
        return super().encode_with_report(texts, role, **options)


def documents(**texts):
    return [Document(id_=name, text=text) for name, text in texts.items()]


@pytest.fixture
def encoder():
    return Counting()


@pytest.fixture
def embedding(encoder):
    return RolevecEmbedding.from_encoder(encoder)


@pytest.fixture
def store(tmp_path, embedding):
    store = RolevecVectorStore("docs", store=tmp_path / "store", embed_model=embedding)
    yield store
    store.close()


def pipeline_of(store, embedding, strategy=DocstoreStrategy.UPSERTS, split=True):
    return IngestionPipeline(
        transformations=[*([SentenceSplitter()] if split else []), embedding],
        docstore=SimpleDocumentStore(),
        vector_store=store,
        docstore_strategy=strategy,
        disable_cache=True,
    )


def stored(store):
    return sorted(node.get_content() for node in store.get_nodes())


@pytest.mark.parametrize("split", [True, False])
def test_upserts(store, embedding, encoder, split):
    pipeline = pipeline_of(store, embedding, split=split)
    pipeline.run(documents=documents(**TEXTS))
    assert encoder.texts == 3
    pipeline.run(documents=documents(**TEXTS))
    assert encoder.texts == 3
    pipeline.run(documents=documents(**{**TEXTS, "d2": "green cars are slow"}))
    assert encoder.texts == 4
    assert stored(store) == ["cold rain falls", "green cars are slow", "red apples are sweet"]


@pytest.mark.parametrize("split", [True, False])
def test_upserts_and_delete(store, embedding, split):
    pipeline = pipeline_of(store, embedding, DocstoreStrategy.UPSERTS_AND_DELETE, split)
    pipeline.run(documents=documents(**TEXTS))
    pipeline.run(documents=documents(d1=TEXTS["d1"], d3="warm rain falls"))
    assert stored(store) == ["red apples are sweet", "warm rain falls"]


def test_duplicates_only(store, embedding, encoder):
    pipeline = pipeline_of(store, embedding, DocstoreStrategy.DUPLICATES_ONLY)
    pipeline.run(documents=documents(**TEXTS))
    pipeline.run(documents=documents(again=TEXTS["d1"], d4="hot soup"))
    assert encoder.texts == 4
    assert len(stored(store)) == 4


def test_a_pipeline_that_forgot_everything_changes_nothing(store, embedding):
    """Without a docstore LlamaIndex encodes again, but the same ids are the same points."""
    for _ in range(2):
        IngestionPipeline(transformations=[embedding], vector_store=store).run(
            documents=documents(**TEXTS)
        )
        assert stored(store) == sorted(TEXTS.values())


def test_a_run_that_broke_off_is_finished_by_the_next(store, embedding, monkeypatch):
    pipeline = pipeline_of(store, embedding, split=False)
    with monkeypatch.context() as patch:
        patch.setattr(type(store), "add", _broken)
        with pytest.raises(RuntimeError):
            pipeline.run(documents=documents(**TEXTS))
    fresh = pipeline_of(store, embedding, split=False)
    for _ in range(2):
        fresh.run(documents=documents(**TEXTS))
        assert stored(store) == sorted(TEXTS.values())


def _broken(*_, **__):
    raise RuntimeError("the disk is full")


async def test_async(store, embedding):
    await pipeline_of(store, embedding).arun(documents=documents(**TEXTS))
    assert stored(store) == sorted(TEXTS.values())


def test_the_cache_answers_for_the_same_model_only():
    cache, calls = IngestionCache(), []
    for options in ({}, {}, {"name": "other"}, {"dimensions": 32}, {"prompts": {}}):
        encoder = Counting(**options)
        pipeline = IngestionPipeline(
            transformations=[RolevecEmbedding.from_encoder(encoder)], cache=cache
        )
        (node,) = pipeline.run(documents=documents(d1="red apples"))
        assert node.embedding == FakeEncoder(**options).encode_documents(["red apples"])[0].tolist()
        calls.append(encoder.texts)
    assert calls == [1, 0, 1, 1, 1]


@pytest.mark.slow
def test_worker_processes(static_folder, tmp_path):
    embedding = RolevecEmbedding(static_folder, truncation="end")
    store = RolevecVectorStore("docs", store=tmp_path / "store", embed_model=embedding)
    pipeline = IngestionPipeline(transformations=[embedding], vector_store=store)
    nodes = pipeline.run(documents=documents(**TEXTS), num_workers=2)
    expected = embedding.encoder.encode_documents(list(TEXTS.values())).tolist()
    assert [node.embedding for node in nodes] == expected
    assert stored(store) == sorted(TEXTS.values())
