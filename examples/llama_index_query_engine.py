"""A LlamaIndex query engine over documents in several languages, offline.

pip install 'rolevec[llama-index]'
python examples/llama_index_query_engine.py
"""

import tempfile
from typing import Any

from llama_index.core import Document, Settings, StorageContext, VectorStoreIndex
from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters

from rolevec.llama_index import RolevecEmbedding, RolevecRerank, RolevecVectorStore

DOCUMENTS = {
    "en": "The bakery on the corner opens at six and sells fresh bread.",
    "de": "Der Zug nach Hamburg fährt jeden Tag um acht Uhr ab.",
    "fr": "La pharmacie du village ferme à dix-neuf heures.",
    "es": "El museo de arte es gratis los domingos.",
    "it": "La piscina comunale è chiusa per lavori fino a giugno.",
    "ru": "Библиотека выдаёт книги на две недели.",
    "zh": "医院的急诊室二十四小时开放。",
    "ja": "図書館の隣に新しい駐車場ができました。",
}
QUESTIONS = [
    "When does the train to Hamburg leave?",
    "¿Dónde puedo comprar pan?",
    "Wie lange kann ich Bücher ausleihen?",
]


class Quoting(CustomLLM):
    """Stands in for a language model: it quotes the passage it was given."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="quoting")

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        passage = prompt.split("---------------------")[1].strip()
        return CompletionResponse(text=passage.splitlines()[-1])

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        yield self.complete(prompt, formatted, **kwargs)


def main(folder: str) -> None:
    Settings.llm = Quoting()
    Settings.embed_model = RolevecEmbedding("light")

    store = RolevecVectorStore("notices", store=folder, embed_model=Settings.embed_model)
    index = VectorStoreIndex.from_documents(
        [
            Document(
                id_=f"notice-{language}",
                text=text,
                metadata={"language": language},
                excluded_embed_metadata_keys=["language"],
            )
            for language, text in DOCUMENTS.items()
        ],
        storage_context=StorageContext.from_defaults(vector_store=store),
    )

    engine = index.as_query_engine(
        similarity_top_k=4, node_postprocessors=[RolevecRerank("light", top_n=1)]
    )
    for question in QUESTIONS:
        answer = engine.query(question)
        (source,) = answer.source_nodes
        print(f"{question}\n  {source.score:.2f} {source.metadata['language']}  {answer}\n")

    asian = MetadataFilters(
        filters=[MetadataFilter(key="language", operator="in", value=["zh", "ja"])]
    )
    (found,) = index.as_retriever(similarity_top_k=1, filters=asian).retrieve("emergency doctor")
    print(f"emergency doctor, in Chinese or Japanese only\n  {found.score:.2f} {found.text}")
    store.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(temporary)
