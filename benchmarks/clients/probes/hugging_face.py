"""huggingface_hub's InferenceClient on TEI's routes."""

import asyncio

from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from probing import Probe

probe = Probe()

for route in ("", "/embed"):
    client = InferenceClient(probe.url + route, token=probe.key)
    with probe.check(f"feature_extraction at {route or '/'}"):
        probe.same(client.feature_extraction(probe.texts[0]), probe.bare[0])
    for role in ("query", "document"):
        with probe.check(f"feature_extraction at {route or '/'}, prompt_name {role}"):
            found = [client.feature_extraction(text, prompt_name=role) for text in probe.texts]
            probe.same(found, probe.vectors[role])
client = InferenceClient(probe.url, token=probe.key)
with probe.check("feature_extraction of a list"):
    probe.same(client.feature_extraction(probe.texts, prompt_name="query"), probe.vectors["query"])
with probe.check("feature_extraction, normalize, truncate, truncation_direction"):
    found = client.feature_extraction(
        probe.texts[0], normalize=True, truncate=True, truncation_direction="left"
    )
    probe.same(found, probe.bare[0])
size, expected = min(probe.bare_cut.items(), key=lambda pair: int(pair[0]))
with probe.check(f"feature_extraction, dimensions {size}"):
    probe.same(client.feature_extraction(probe.texts[0], dimensions=int(size)), expected[0])
with probe.check("sentence_similarity"):
    found = client.sentence_similarity(probe.query, probe.documents)
    probe.same(found, probe.bare_scores)


async def asynchronous():
    async with AsyncInferenceClient(probe.url, token=probe.key) as client:
        return await client.feature_extraction(probe.texts[0], prompt_name="query")


with probe.check("AsyncInferenceClient.feature_extraction"):
    probe.same(asyncio.run(asynchronous()), probe.vectors["query"][0])
with probe.check("a wrong key is an HfHubHTTPError"), probe.refused(HfHubHTTPError):
    InferenceClient(probe.url, token="wrong").feature_extraction("a")
probe.end()
