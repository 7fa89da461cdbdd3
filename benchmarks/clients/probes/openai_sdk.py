"""The official OpenAI SDK."""

import asyncio

import openai
from probing import Probe

probe = Probe()
common = {"api_key": probe.key, "base_url": f"{probe.url}/v1"}
client = openai.OpenAI(**common)


def vectors(answer):
    assert [item.index for item in answer.data] == list(range(len(answer.data)))
    assert answer.usage.prompt_tokens > 0
    return [item.embedding for item in answer.data]


for model in (probe.model, "text-embedding-3-small"):
    with probe.check(f"embeddings.create, {model}"):
        answer = client.embeddings.create(model=model, input=probe.texts)
        probe.same(vectors(answer), probe.bare)
    with probe.check(f"embeddings.create, {model}, floats"):
        answer = client.embeddings.create(model=model, input=probe.texts, encoding_format="float")
        probe.same(vectors(answer), probe.bare)
with probe.check("embeddings.create, base64"):
    answer = client.embeddings.create(
        model=probe.model, input=probe.texts, encoding_format="base64"
    )
    probe.same(vectors(answer), probe.bare, "base64")
with probe.check("embeddings.create, one string"):
    answer = client.embeddings.create(model=probe.model, input=probe.texts[0])
    probe.same(vectors(answer), probe.bare[:1])
with probe.check(f"embeddings.create, {len(probe.many)} texts"):
    answer = client.embeddings.create(
        model=probe.model, input=probe.many, extra_body={"input_type": "document"}
    )
    probe.same(vectors(answer), probe.many_vectors)
with probe.check("embeddings.create, token ids of cl100k_base"):
    answer = client.embeddings.create(model=probe.model, input=probe.openai_ids)
    probe.same(vectors(answer), probe.bare)
for role, expected in probe.vectors.items():
    with probe.check(f"embeddings.create, input_type {role} in extra_body"):
        answer = client.embeddings.create(
            model=probe.model, input=probe.texts, extra_body={"input_type": role}
        )
        probe.same(vectors(answer), expected)
for size, expected in probe.bare_cut.items():
    with probe.check(f"embeddings.create, dimensions {size}"):
        answer = client.embeddings.create(
            model=probe.model, input=probe.texts, dimensions=int(size)
        )
        probe.same(vectors(answer), expected)


async def asynchronous():
    async with openai.AsyncOpenAI(**common) as client:
        return await client.embeddings.create(model=probe.model, input=probe.texts)


with probe.check("AsyncOpenAI.embeddings.create"):
    probe.same(vectors(asyncio.run(asynchronous())), probe.bare)
with probe.check("models.list"):
    assert {probe.model, *probe.names} <= {model.id for model in client.models.list()}
with probe.check("models.retrieve"):
    assert client.models.retrieve(probe.model).id == probe.model
for call, kind, status, asked in (
    ("a wrong key is an AuthenticationError", openai.AuthenticationError, 401, {}),
    ("an unknown model is a NotFoundError", openai.NotFoundError, 404, {"model": "unknown"}),
    ("an empty input is a BadRequestError", openai.BadRequestError, 400, {"input": []}),
):
    with probe.check(f"embeddings.create: {call}"), probe.refused(kind, status):
        key = "wrong" if status == 401 else probe.key
        other = openai.OpenAI(api_key=key, base_url=f"{probe.url}/v1")
        other.embeddings.create(**{"model": probe.model, "input": ["a"], **asked})
probe.end()
