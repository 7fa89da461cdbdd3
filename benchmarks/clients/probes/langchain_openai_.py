"""langchain-openai: OpenAIEmbeddings, which sends token ids unless told otherwise."""

import asyncio

from langchain_openai import OpenAIEmbeddings
from probing import Probe

probe = Probe()
common = {"api_key": probe.key, "base_url": f"{probe.url}/v1"}

for model in (probe.model, "text-embedding-3-small"):
    for ids in (True, False):
        what = f"{model}, {'token ids' if ids else 'strings'}"
        embeddings = OpenAIEmbeddings(model=model, check_embedding_ctx_length=ids, **common)
        with probe.check(f"OpenAIEmbeddings.embed_documents, {what}"):
            probe.same(embeddings.embed_documents(probe.texts), probe.bare)
        with probe.check(f"OpenAIEmbeddings.embed_query, {what}"):
            probe.same(embeddings.embed_query(probe.texts[0]), probe.bare[0])
        with probe.check(f"OpenAIEmbeddings.aembed_documents, {what}"):
            probe.same(asyncio.run(embeddings.aembed_documents(probe.texts)), probe.bare)
embeddings = OpenAIEmbeddings(
    model=probe.model,
    check_embedding_ctx_length=False,
    model_kwargs={"extra_body": {"input_type": "query"}},
    **common,
)
with probe.check("OpenAIEmbeddings.embed_documents, input_type in extra_body"):
    probe.same(embeddings.embed_documents(probe.texts), probe.vectors["query"])
size = min(map(int, probe.bare_cut))
with probe.check(f"OpenAIEmbeddings.embed_documents, dimensions {size}"):
    embeddings = OpenAIEmbeddings(
        model=probe.model, dimensions=size, check_embedding_ctx_length=False, **common
    )
    probe.same(embeddings.embed_documents(probe.texts), probe.bare_cut[str(size)])
probe.end()
