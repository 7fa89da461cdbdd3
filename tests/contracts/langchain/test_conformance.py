"""LangChain's own conformance suites, whole."""

import pytest
from langchain_core.documents import Document
from langchain_tests.integration_tests import (
    EmbeddingsIntegrationTests,
    RetrieversIntegrationTests,
    VectorStoreIntegrationTests,
)
from langchain_tests.unit_tests import EmbeddingsUnitTests

from rolevec.langchain import RolevecEmbeddings, RolevecVectorStore
from rolevec.testing import FakeEncoder


class TestEmbeddingsUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self):
        return RolevecEmbeddings

    @property
    def embedding_model_params(self):
        return {"model": "light"}


class TestEmbeddings(EmbeddingsIntegrationTests):
    @pytest.fixture(autouse=True)
    def _folder(self, static_folder):
        self.folder = static_folder

    @property
    def embeddings_class(self):
        return RolevecEmbeddings

    @property
    def embedding_model_params(self):
        return {"model": f"static:{self.folder}"}


class TestVectorStoreOnEdge(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path):
        store = RolevecVectorStore(self.get_embeddings(), collection_name="c", store=tmp_path)
        yield store
        store.close()


class TestVectorStoreInMemory(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self):
        store = RolevecVectorStore(self.get_embeddings(), collection_name="c", store=":memory:")
        yield store
        store.close()


def make_retriever(k=4):
    store = RolevecVectorStore.from_documents(
        [Document(f"document number {i}") for i in range(5)],
        RolevecEmbeddings.from_encoder(FakeEncoder()),
        store=":memory:",
    )
    return store.as_retriever(search_kwargs={"k": k})


class TestRetriever(RetrieversIntegrationTests):
    @property
    def retriever_constructor(self):
        return make_retriever

    @property
    def retriever_constructor_params(self):
        return {"k": 4}

    @property
    def retriever_query_example(self):
        return "document number 3"
