"""The official Cohere SDK, 5 to 7: both versions of the interface, with and without asyncio."""

import asyncio
import inspect

import cohere
from probing import Probe

probe = Probe()
NAMES = {"query": "search_query", "document": "search_document"}
TYPES = ["float", "int8", "uint8", "binary", "ubinary", "base64"]
loop = asyncio.new_event_loop()


def client(kind, key=None):
    """A client whose asynchronous methods can be called as if they were not."""
    made = kind(api_key=key or probe.key, base_url=probe.url)
    return Waiting(made) if "Async" in kind.__name__ else made


class Waiting:
    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        method = getattr(self._client, name)
        if not callable(method):
            return Waiting(method)

        def call(*args, **kwargs):
            answer = method(*args, **kwargs)
            return loop.run_until_complete(answer) if inspect.isawaitable(answer) else answer

        return call


def by_type(answer, kind):
    return getattr(answer.embeddings, "float_" if kind == "float" else kind)


def embed(name, client):
    for role, vectors in probe.vectors.items():
        asked = {"model": probe.model, "input_type": NAMES.get(role, role), "texts": probe.texts}
        with probe.check(f"{name}.embed {role}, all types"):
            answer = client.embed(**asked, embedding_types=TYPES)
            for kind in TYPES:
                expected = vectors if kind in ("float", "base64") else probe.packed[role][kind]
                probe.same(by_type(answer, kind), expected, kind)
            assert answer.meta.billed_units.input_tokens > 0
        for truncate in ("NONE", "START", "END"):
            with probe.check(f"{name}.embed {role}, truncate {truncate}"):
                answer = client.embed(**asked, embedding_types=["float"], truncate=truncate)
                probe.same(by_type(answer, "float"), vectors)
    many = {"model": probe.model, "input_type": "search_document"}
    with probe.check(f"{name}.embed 96 texts"):
        answer = client.embed(**many, texts=probe.many[:96], embedding_types=["float"])
        probe.same(by_type(answer, "float"), probe.many_vectors[:96])


def embed_v1(name, client):
    for role, vectors in probe.vectors.items():
        with probe.check(f"{name}.embed {role}, floats without a type"):
            answer = client.embed(
                model=probe.model, input_type=NAMES.get(role, role), texts=probe.texts
            )
            assert answer.response_type == "embeddings_floats"
            probe.same(answer.embeddings, vectors)
    with probe.check(f"{name}.embed {len(probe.many)} texts, which it splits"):
        answer = client.embed(model=probe.model, input_type="search_document", texts=probe.many)
        probe.same(answer.embeddings, probe.many_vectors)
    with probe.check(f"{name}.rerank with documents as objects"):
        answer = client.rerank(
            model="rerank-v3.5",
            query=probe.query,
            documents=[{"text": text} for text in probe.documents],
            top_n=2,
            return_documents=True,
        )
        probe.ranked([(r.index, r.relevance_score) for r in answer.results], 2)
        assert all(r.document.text == probe.documents[r.index] for r in answer.results)


def embed_v2(name, client):
    for size, vectors in probe.cut.items():
        with probe.check(f"{name}.embed, output_dimension {size}"):
            answer = client.embed(
                model=probe.model, input_type="search_query", texts=probe.texts,
                embedding_types=["float"], output_dimension=int(size),
            )  # fmt: skip
            probe.same(by_type(answer, "float"), vectors)
    with probe.check(f"{name}.embed, inputs with text content"):
        answer = client.embed(
            model=probe.model,
            input_type="search_query",
            inputs=[{"content": [{"type": "text", "text": text}]} for text in probe.texts],
            embedding_types=["float"],
        )
        probe.same(by_type(answer, "float"), probe.vectors["query"])
    with (
        probe.check(f"{name}.embed of 97 texts is a BadRequestError"),
        probe.refused(cohere.BadRequestError, 400),
    ):
        client.embed(model=probe.model, input_type="search_query", texts=probe.many[:97])
    with (
        probe.check(f"{name}.embed of an image is a BadRequestError"),
        probe.refused(cohere.BadRequestError, 400),
    ):
        client.embed(model=probe.model, input_type="image", images=["data:image/png;base64,AAAA"])


def rest(name, client):
    with probe.check(f"{name}.rerank"):
        answer = client.rerank(model="rerank-v3.5", query=probe.query, documents=probe.documents)
        probe.ranked([(r.index, r.relevance_score) for r in answer.results])
    for offline in (True, False):
        where = "by the fetched tokenizer" if offline else "by the server"
        with probe.check(f"{name}.tokenize {where}"):
            answer = client.tokenize(text=probe.texts[0], model=probe.model, offline=offline)
            assert answer.tokens == probe.tokens["ids"], answer.tokens
            # The SDK's own tokenizer tells ids only.
            strings = [] if offline else probe.tokens["strings"]
            assert answer.token_strings == strings, answer.token_strings
            # The SDK turns to the server when the tokenizer cannot be had.
            assert bool(answer.meta and answer.meta.api_version) is not offline
        with probe.check(f"{name}.detokenize {where}"):
            ids = probe.tokens["ids"]
            answer = client.detokenize(tokens=ids, model=probe.model, offline=offline)
            assert answer.text == probe.tokens["text"], answer.text
    with probe.check(f"{name}.models.list"):
        listed = client.models.list(endpoint="embed", page_size=100).models
        assert {probe.model, *probe.names} <= {model.name for model in listed}
    with probe.check(f"{name}.models.get"):
        model = client.models.get(probe.model)
        assert model.name == probe.model
        assert "embed" in model.endpoints
        assert model.context_length == probe.max_tokens


def check_key(name, client):
    # Since 5.0 the SDK itself refuses this method, whatever server it speaks to.
    with probe.check(f"{name}.check_api_key, given up by the SDK"), probe.refused(ValueError):
        client.check_api_key()


for kind in (cohere.Client, cohere.ClientV2, cohere.AsyncClient, cohere.AsyncClientV2):
    name, made = kind.__name__, client(kind)
    embed(name, made)
    (embed_v2 if name.endswith("V2") else embed_v1)(name, made)
    rest(name, made)
    check_key(name, made)
    with (
        probe.check(f"{name}: a wrong key is an UnauthorizedError"),
        probe.refused(cohere.UnauthorizedError, 401),
    ):
        client(kind, "wrong").embed(
            model=probe.model, texts=["a"], input_type="search_query", embedding_types=["float"]
        )
    with (
        probe.check(f"{name}: an unknown model is a NotFoundError"),
        probe.refused(cohere.NotFoundError, 404),
    ):
        made.embed(model="unknown", texts=["a"], input_type="search_query")
probe.end()
