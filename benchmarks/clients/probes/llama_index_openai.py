"""llama-index-embeddings-openai and -openai-like."""

import asyncio

from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from probing import Probe

probe = Probe()
common = {"api_key": probe.key, "api_base": f"{probe.url}/v1"}
cases = {
    "OpenAIEmbedding": OpenAIEmbedding(model="text-embedding-3-small", **common),
    "OpenAILikeEmbedding": OpenAILikeEmbedding(model_name=probe.model, **common),
}
for name, embedding in cases.items():
    with probe.check(f"{name}.get_query_embedding"):
        probe.same(embedding.get_query_embedding(probe.texts[0]), probe.bare[0])
    with probe.check(f"{name}.get_text_embedding_batch"):
        probe.same(embedding.get_text_embedding_batch(probe.texts), probe.bare)
    with probe.check(f"{name}.aget_text_embedding_batch"):
        found = asyncio.run(embedding.aget_text_embedding_batch(probe.texts))
        probe.same(found, probe.bare)
with probe.check("OpenAILikeEmbedding, input_type in extra_body"):
    embedding = OpenAILikeEmbedding(
        model_name=probe.model,
        additional_kwargs={"extra_body": {"input_type": "document"}},
        **common,
    )
    found = embedding.get_text_embedding_batch(probe.texts)
    probe.same(found, probe.vectors["document"])
size = min(map(int, probe.bare_cut))
with probe.check(f"OpenAILikeEmbedding, dimensions {size}"):
    embedding = OpenAILikeEmbedding(model_name=probe.model, dimensions=size, **common)
    probe.same(embedding.get_text_embedding_batch(probe.texts), probe.bare_cut[str(size)])
probe.end()
