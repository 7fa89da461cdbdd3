"""One collection, written and read by LangChain, LlamaIndex and plain Python alike.

pip install 'rolevec[langchain,llama-index]'
python examples/one_collection_two_frameworks.py
"""

import tempfile

from langchain_core.documents import Document as LangChainDocument
from llama_index.core import VectorStoreIndex
from llama_index.core.schema import TextNode

from rolevec import Collection
from rolevec.errors import CollectionMismatch
from rolevec.langchain import RolevecEmbeddings
from rolevec.langchain import RolevecVectorStore as LangChainStore
from rolevec.llama_index import RolevecEmbedding
from rolevec.llama_index import RolevecVectorStore as LlamaIndexStore


def main(folder: str) -> None:
    embeddings, embedding = RolevecEmbeddings(model="light"), RolevecEmbedding("light")

    chain = LangChainStore(embeddings, collection_name="recipes", store=folder)
    chain.add_documents(
        [
            LangChainDocument(
                id="soup", page_content="Boil carrots and onions.", metadata={"time": 30}
            ),
            LangChainDocument(
                id="cake", page_content="Mix flour, eggs and sugar.", metadata={"time": 60}
            ),
        ]
    )

    llama = LlamaIndexStore("recipes", store=folder, embed_model=embedding)
    index = VectorStoreIndex.from_vector_store(llama, embed_model=embedding)
    index.insert_nodes([TextNode(id_="tea", text="Pour hot water on mint.", metadata={"time": 5})])

    question = "Welche Zutaten brauche ich für einen Kuchen?"
    print(question)
    (document,) = chain.similarity_search(question, k=1)
    print("  LangChain   ", document.id, document.metadata, document.page_content)
    (node,) = index.as_retriever(similarity_top_k=1).retrieve(question)
    print("  LlamaIndex  ", node.node_id, node.metadata, node.text)
    with Collection.open("recipes", embedding.encoder, store=folder) as collection:
        (hit,) = collection.search(question, k=1)
        print("  rolevec     ", hit.id, dict(hit.metadata), hit.text)
        print("documents in all:", collection.count())

    # The collection knows its encoder: the same model under other prompts is not the same.
    other = RolevecEmbedding("light", prompts={"query": "", "document": ""})
    try:
        LlamaIndexStore("recipes", store=folder, embed_model=other)
    except CollectionMismatch as refusal:
        print(f"\nrefused: {refusal}")
    llama.close()
    chain.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(temporary)
