"""LangChain's own Qdrant store with our embeddings, and on a collection that we wrote.

pip install 'rolevec[langchain]' langchain-qdrant
python examples/stock_langchain.py
"""

from langchain_core.documents import Document
from langchain_qdrant import QdrantVectorStore
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, VectorParams

from rolevec.langchain import RolevecEmbeddings, RolevecVectorStore

DOCUMENTS = [
    Document("Der Mond umkreist die Erde in etwa einem Monat.", metadata={"topic": "moon"}),
    Document("Le rorqual bleu est le plus grand animal du monde.", metadata={"topic": "whale"}),
    Document("蚕吐出的丝可以织成布。", metadata={"topic": "silk"}),
]


def ask(store: QdrantVectorStore, question: str) -> None:
    ((document, score),) = store.similarity_search_with_score(question, k=1)
    print(f"{question}\n  {score:.2f} {document.metadata['topic']}: {document.page_content}")


def main() -> None:
    client = QdrantClient(":memory:")
    embeddings = RolevecEmbeddings("light")

    # Stock store, our vectors.
    client.create_collection(
        "stock", VectorParams(size=embeddings.encoder.dim, distance=Distance.COSINE)
    )
    stock = QdrantVectorStore(client, "stock", embeddings)
    stock.add_documents(DOCUMENTS)
    ask(stock, "Which animal is the largest?")

    # Our store writes, the stock store reads.
    ours = RolevecVectorStore(embeddings, collection_name="ours", store=client)
    ours.add_documents(DOCUMENTS)
    ask(
        QdrantVectorStore(client, "ours", embeddings),
        "How long does the moon take to go round the earth?",
    )
    client.close()


if __name__ == "__main__":
    main()
