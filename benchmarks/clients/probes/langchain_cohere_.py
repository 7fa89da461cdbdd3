"""langchain-cohere: CohereEmbeddings and CohereRerank."""

import asyncio

from langchain_cohere import CohereEmbeddings, CohereRerank
from langchain_core.documents import Document
from probing import Probe

probe = Probe()
common = {"cohere_api_key": probe.key, "base_url": probe.url}

for truncate in (None, "NONE", "END"):
    embeddings = CohereEmbeddings(model=probe.model, truncate=truncate, **common)
    with probe.check(f"CohereEmbeddings.embed_query, truncate {truncate}"):
        found = [embeddings.embed_query(text) for text in probe.texts]
        probe.same(found, probe.vectors["query"])
    with probe.check(f"CohereEmbeddings.embed_documents, truncate {truncate}"):
        probe.same(embeddings.embed_documents(probe.texts), probe.vectors["document"])
embeddings = CohereEmbeddings(model=probe.model, **common)
with probe.check("CohereEmbeddings.embed_documents, more than one request"):
    probe.same(embeddings.embed_documents(probe.many), probe.many_vectors)
with probe.check("CohereEmbeddings.aembed_query"):
    probe.same(asyncio.run(embeddings.aembed_query(probe.texts[0])), probe.vectors["query"][0])
embeddings = CohereEmbeddings(model=probe.model, **common)
with probe.check("CohereEmbeddings.aembed_documents"):
    found = asyncio.run(embeddings.aembed_documents(probe.texts))
    probe.same(found, probe.vectors["document"])
for kind in ("int8", "ubinary"):
    with probe.check(f"CohereEmbeddings.embed_documents, {kind}"):
        typed = CohereEmbeddings(model=probe.model, embedding_types=[kind], **common)
        probe.same(typed.embed_documents(probe.texts), probe.packed["document"][kind], kind)

reranker = CohereRerank(model="rerank-v3.5", top_n=2, **common)
with probe.check("CohereRerank.rerank"):
    found = reranker.rerank(probe.documents, probe.query, top_n=None)
    probe.ranked([(hit["index"], hit["relevance_score"]) for hit in found])
with probe.check("CohereRerank.compress_documents"):
    documents = [Document(text) for text in probe.documents]
    found = reranker.compress_documents(documents, probe.query)
    places = [probe.documents.index(hit.page_content) for hit in found]
    probe.ranked(zip(places, [hit.metadata["relevance_score"] for hit in found], strict=True), 2)
probe.end()
