"""LlamaIndex's own Qdrant store with our embedding, and on a collection that we wrote.

pip install 'rolevec[llama-index]' llama-index-vector-stores-qdrant
python examples/stock_llama_index.py
"""

from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from rolevec.llama_index import RolevecEmbedding, RolevecVectorStore

DOCUMENTS = [
    Document(id_="moon", text="Der Mond umkreist die Erde in etwa einem Monat."),
    Document(id_="whale", text="Le rorqual bleu est le plus grand animal du monde."),
    Document(id_="silk", text="蚕吐出的丝可以织成布。"),
]


def ask(index: VectorStoreIndex, question: str) -> None:
    (node,) = index.as_retriever(similarity_top_k=1).retrieve(question)
    print(f"{question}\n  {node.score:.2f} {node.node.ref_doc_id}: {node.text}")


def main() -> None:
    client = QdrantClient(":memory:")
    embedding = RolevecEmbedding("light")

    # Stock store, our vectors.
    stock = StorageContext.from_defaults(vector_store=QdrantVectorStore("stock", client=client))
    ask(
        VectorStoreIndex.from_documents(DOCUMENTS, storage_context=stock, embed_model=embedding),
        "Which animal is the largest?",
    )

    # Our store writes, the stock store reads.
    ours = RolevecVectorStore("ours", store=client, embed_model=embedding)
    context = StorageContext.from_defaults(vector_store=ours)
    VectorStoreIndex.from_documents(DOCUMENTS, storage_context=context, embed_model=embedding)
    reader = QdrantVectorStore("ours", client=client)
    ask(
        VectorStoreIndex.from_vector_store(reader, embed_model=embedding),
        "How long does the moon take to go round the earth?",
    )
    client.close()


if __name__ == "__main__":
    main()
