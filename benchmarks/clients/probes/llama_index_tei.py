"""llama-index-embeddings-text-embeddings-inference: instructions, not roles."""

import asyncio

from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference
from probing import Probe

probe = Probe()
embedding = TextEmbeddingsInference(
    model_name=probe.model,
    base_url=probe.url,
    auth_token=probe.key,
    query_instruction=probe.prompts["query"],
    text_instruction=probe.prompts["document"],
)
with probe.check("TextEmbeddingsInference.get_query_embedding"):
    found = [embedding.get_query_embedding(text) for text in probe.texts]
    probe.same(found, probe.vectors["query"])
with probe.check("TextEmbeddingsInference.get_text_embedding_batch"):
    found = embedding.get_text_embedding_batch(probe.texts)
    probe.same(found, probe.vectors["document"])
with probe.check("TextEmbeddingsInference.aget_text_embedding_batch"):
    found = asyncio.run(embedding.aget_text_embedding_batch(probe.texts))
    probe.same(found, probe.vectors["document"])
with probe.check("TextEmbeddingsInference without instructions"):
    bare = TextEmbeddingsInference(
        model_name=probe.model, base_url=probe.url, auth_token=probe.key, truncate_text=False
    )
    probe.same(bare.get_text_embedding_batch(probe.texts), probe.bare)
probe.end()
