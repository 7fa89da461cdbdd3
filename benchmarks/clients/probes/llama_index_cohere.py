"""llama-index-embeddings-cohere with its eight models, and -postprocessor-cohere-rerank."""

import asyncio

from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.embeddings.cohere import CohereEmbedding
from llama_index.embeddings.cohere.base import VALID_MODEL_INPUT_TYPES
from llama_index.postprocessor.cohere_rerank import CohereRerank
from probing import Probe

probe = Probe()
assert len(VALID_MODEL_INPUT_TYPES) == 8

for model in VALID_MODEL_INPUT_TYPES:
    name = model.value
    embedding = CohereEmbedding(
        api_key=probe.key, base_url=probe.url, model_name=name, max_retries=1
    )
    # Models of the second generation have no roles, and it sends none.
    roles = ("none", "none") if name.endswith("v2.0") else ("query", "document")
    query, document = (probe.bare if role == "none" else probe.vectors[role] for role in roles)
    with probe.check(f"CohereEmbedding.get_query_embedding, {name}"):
        probe.same(embedding.get_query_embedding(probe.texts[0]), query[0])
    with probe.check(f"CohereEmbedding.get_text_embedding_batch, {name}"):
        probe.same(embedding.get_text_embedding_batch(probe.texts), document)

name = "embed-multilingual-v3.0"
for kind in ("int8", "uint8", "binary", "ubinary"):
    with probe.check(f"CohereEmbedding.get_text_embedding_batch, {kind}"):
        embedding = CohereEmbedding(
            api_key=probe.key, base_url=probe.url, model_name=name, embedding_type=kind
        )
        found = embedding.get_text_embedding_batch(probe.texts)
        probe.same(found, probe.packed["document"][kind], kind)
for role in ("classification", "clustering"):
    with probe.check(f"CohereEmbedding.get_text_embedding_batch, {role}"):
        embedding = CohereEmbedding(
            api_key=probe.key, base_url=probe.url, model_name=name, input_type=role
        )
        probe.same(embedding.get_text_embedding_batch(probe.texts), probe.vectors[role])


async def both():
    embedding = CohereEmbedding(api_key=probe.key, base_url=probe.url, model_name=name)
    query = await embedding.aget_query_embedding(probe.texts[0])
    return query, await embedding.aget_text_embedding_batch(probe.texts)


with probe.check("CohereEmbedding.aget_query_embedding, .aget_text_embedding_batch"):
    query, documents = asyncio.run(both())
    probe.same(query, probe.vectors["query"][0])
    probe.same(documents, probe.vectors["document"])

with probe.check("CohereRerank.postprocess_nodes"):
    reranker = CohereRerank(api_key=probe.key, base_url=probe.url)
    nodes = [NodeWithScore(node=TextNode(text=text, id_=text)) for text in probe.documents]
    found = reranker.postprocess_nodes(nodes, query_str=probe.query)
    places = [probe.documents.index(node.node.id_) for node in found]
    probe.ranked(zip(places, [node.score for node in found], strict=True), 2)
probe.end()
