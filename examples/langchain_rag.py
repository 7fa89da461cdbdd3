"""A LangChain retrieval chain over documents in several languages, offline.

pip install 'rolevec[langchain]'
python examples/langchain_rag.py
"""

import tempfile

from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough

from rolevec.langchain import RolevecEmbeddings, RolevecReranker, RolevecVectorStore

DOCUMENTS = {
    "lease": "Der Mieter muss die Wohnung drei Monate vor dem Auszug schriftlich kündigen.",
    "garbage": "La collecte des ordures a lieu le mardi et le vendredi matin.",
    "pets": "Se permiten perros y gatos pequeños en el edificio.",
    "heating": "暖气从十一月到三月开放。",
    "parking": "Гости могут оставить машину на парковке за домом.",
}
PROMPT = ChatPromptTemplate.from_template("Answer from this only:\n{context}\n\n{question}")


def joined(documents: list[Document]) -> str:
    return "\n".join(document.page_content for document in documents)


def main(folder: str) -> None:
    store = RolevecVectorStore.from_texts(
        list(DOCUMENTS.values()),
        RolevecEmbeddings("light"),
        ids=list(DOCUMENTS),
        collection_name="house-rules",
        store=folder,
    )
    retriever = store.as_retriever(search_kwargs={"k": 1})

    # Stands in for a chat model; put your own in its place.
    model = FakeListChatModel(responses=["You have to give notice three months ahead."])
    chain = (
        {"context": retriever | joined, "question": RunnablePassthrough()}
        | PROMPT
        | model
        | StrOutputParser()
    )
    question = "How long before I move out of the flat must I cancel the rental contract?"
    print("question:", question)
    print("found:   ", joined(retriever.invoke(question)))
    print("answer:  ", chain.invoke(question))

    candidates = store.similarity_search("Can visitors park their car here?", k=3)
    best, *_ = RolevecReranker(model="light", top_n=1).compress_documents(
        candidates, "Can visitors park their car here?"
    )
    print("reranked:", best.id, best.page_content)
    store.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(temporary)
