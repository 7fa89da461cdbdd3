"""cohere-haystack: embedders of texts and documents, and the ranker."""

import asyncio

from haystack import Document
from haystack.utils import Secret
from haystack_integrations.components.embedders.cohere import (
    CohereDocumentEmbedder,
    CohereTextEmbedder,
)
from haystack_integrations.components.rankers.cohere import CohereRanker
from probing import Probe

probe = Probe()
common = {"api_key": Secret.from_token(probe.key), "api_base_url": probe.url}
documents = [Document(content=text) for text in probe.texts]

for model in ("embed-v4.0", probe.model):
    with probe.check(f"CohereTextEmbedder, {model}"):
        embedder = CohereTextEmbedder(model=model, input_type="search_query", **common)
        found = [embedder.run(text=text)["embedding"] for text in probe.texts]
        probe.same(found, probe.vectors["query"])
    with probe.check(f"CohereDocumentEmbedder, {model}"):
        embedder = CohereDocumentEmbedder(model=model, progress_bar=False, **common)
        found = embedder.run(documents=documents)["documents"]
        probe.same([document.embedding for document in found], probe.vectors["document"])
with probe.check("CohereTextEmbedder.run_async"):
    embedder = CohereTextEmbedder(input_type="search_query", **common)
    found = asyncio.run(embedder.run_async(text=probe.texts[0]))["embedding"]
    probe.same(found, probe.vectors["query"][0])
with probe.check("CohereDocumentEmbedder.run_async"):
    embedder = CohereDocumentEmbedder(progress_bar=False, **common)
    found = asyncio.run(embedder.run_async(documents=documents))["documents"]
    probe.same([document.embedding for document in found], probe.vectors["document"])
with probe.check("CohereRanker"):
    ranker = CohereRanker(**common)
    found = ranker.run(
        query=probe.query, documents=[Document(content=text) for text in probe.documents]
    )["documents"]
    places = [probe.documents.index(document.content) for document in found]
    probe.ranked(zip(places, [document.score for document in found], strict=True))
probe.end()
