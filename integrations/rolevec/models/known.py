"""The models rolevec knows by name: facts only, each with its source.

Two records agree on most of it, the model's page on the Hugging Face hub and the ModelMeta of mteb
(its repository, mteb/models/model_implementations); revisions and lists of languages are mteb's.
Where they differ the page wins, and a comment says so.
"""

from __future__ import annotations

from rolevec.models.card import ModelCard
from rolevec.models.languages import ARCTIC, GTE, PARAPHRASE, XLM_R

_WEB_SEARCH = "Given a web search query, retrieve relevant passages that answer the query"
_FOR_SEARCHING = "Represent this sentence for searching relevant passages: "

# The multilingual E5 models learned symmetric tasks with "query: " on both sides.
_E5 = {
    "query": "query: ",
    "document": "passage: ",
    "classification": "query: ",
    "clustering": "query: ",
}


def _source(name: str) -> str:
    return f"https://huggingface.co/{name}; mteb ModelMeta"


KNOWN: tuple[ModelCard, ...] = (
    ModelCard(
        name="intfloat/multilingual-e5-small",
        dim=384,
        max_tokens=512,
        prompts=_E5,
        pooling="mean",
        revision="fd1525a9fd15316a2d503bf26ab031a61d056e98",
        languages=XLM_R,
        license="MIT",
        source=_source("intfloat/multilingual-e5-small"),
        aliases=("embed-multilingual-light-v3.0",),
    ),
    ModelCard(
        name="intfloat/multilingual-e5-base",
        dim=768,
        max_tokens=512,  # mteb counts the position table, 514; two of its rows are never reached
        prompts=_E5,
        pooling="mean",
        revision="d13f1b27baf31030b7fd040960d60d909913633f",
        languages=XLM_R,
        license="MIT",
        source=_source("intfloat/multilingual-e5-base"),
    ),
    ModelCard(
        name="intfloat/multilingual-e5-large",
        dim=1024,
        max_tokens=512,  # mteb: 514, as above
        prompts=_E5,
        pooling="mean",
        revision="ab10c1a7f42e74530fe7ae5be82e6d4f11a719eb",
        languages=XLM_R,
        license="MIT",
        source=_source("intfloat/multilingual-e5-large"),
        aliases=("embed-multilingual-v3.0",),
    ),
    ModelCard(
        name="intfloat/multilingual-e5-large-instruct",
        dim=1024,
        max_tokens=512,  # mteb: 514, as above
        prompts={"query": f"Instruct: {_WEB_SEARCH}\nQuery: ", "document": ""},
        pooling="mean",
        revision="baa7be480a7de1539afce709c8f13f833a510e0a",
        languages=XLM_R,
        license="MIT",
        source=_source("intfloat/multilingual-e5-large-instruct"),
        notes="The query prompt states the task; this one is web search, change it for another.",
    ),
    ModelCard(
        name="BAAI/bge-m3",
        dim=1024,
        max_tokens=8192,
        pooling="cls",
        revision="5617a9f61b028005a4858fdac845db406aefb181",
        languages=("multilingual",),
        license="MIT",
        source=_source("BAAI/bge-m3"),
        notes="Has ONNX and pickled weights but no safetensors, so it needs ONNX Runtime.",
    ),
    ModelCard(
        name="BAAI/bge-small-en-v1.5",
        dim=384,  # mteb says 512; its own count of embedding parameters gives 384
        max_tokens=512,
        prompts={"query": _FOR_SEARCHING, "document": ""},
        pooling="cls",
        revision="5c38ec7c405ec4b44b94cc5a9bb96e735b38267a",
        languages=("eng",),
        license="MIT",
        source=_source("BAAI/bge-small-en-v1.5"),
        aliases=("embed-english-light-v3.0",),
    ),
    ModelCard(
        name="BAAI/bge-large-en-v1.5",
        dim=1024,
        max_tokens=512,
        prompts={"query": _FOR_SEARCHING, "document": ""},
        pooling="cls",
        revision="d4aa6901d3a41ba39fb536a557fa166f842b0e09",
        languages=("eng",),
        license="MIT",
        source=_source("BAAI/bge-large-en-v1.5"),
    ),
    ModelCard(
        name="mixedbread-ai/mxbai-embed-large-v1",
        dim=1024,
        max_tokens=512,
        prompts={"query": _FOR_SEARCHING, "document": ""},
        pooling="cls",
        revision="990580e27d329c7408b3741ecff85876e128e203",
        languages=("eng",),
        license="Apache-2.0",
        source=f"{_source('mixedbread-ai/mxbai-embed-large-v1')};"
        " https://www.mixedbread.com/docs/embeddings/models/mxbai-embed-large-v1",
        aliases=("embed-english-v3.0",),
        notes="Trained with Matryoshka loss; no list of dimensions could be verified.",
        unverified=("matryoshka_dims",),
    ),
    ModelCard(
        name="Snowflake/snowflake-arctic-embed-l-v2.0",
        dim=1024,
        max_tokens=8192,
        prompts={"query": "query: ", "document": ""},
        pooling="cls",
        revision="edc2df7b6c25794b340229ca082e7c78782e6374",
        languages=ARCTIC,
        license="Apache-2.0",
        source=_source("Snowflake/snowflake-arctic-embed-l-v2.0"),
        matryoshka_dims=(256,),
    ),
    ModelCard(
        name="Alibaba-NLP/gte-multilingual-base",
        dim=768,
        max_tokens=8192,
        pooling="cls",
        revision="ca1791e0bcc104f6db161f27de1340241b13c5a4",
        languages=GTE,
        license="Apache-2.0",
        source=_source("Alibaba-NLP/gte-multilingual-base"),
        notes="Its architecture is code in another repository of the hub: trust_remote_code=True.",
        unverified=("matryoshka_dims",),
    ),
    ModelCard(
        name="google/embeddinggemma-300m",
        dim=768,
        max_tokens=2048,
        prompts={
            "query": "task: search result | query: ",
            "document": "title: none | text: ",
            "classification": "task: classification | query: ",
            "clustering": "task: clustering | query: ",
        },
        pooling="mean",
        revision="64614b0b8b64f0c6c1e52b07e4e9a4e8fe4d2da2",
        languages=("multilingual",),
        license="gemma",
        source=f"{_source('google/embeddinggemma-300m')};"
        " https://ai.google.dev/gemma/docs/embeddinggemma/model_card",
        matryoshka_dims=(512, 256, 128),
        notes="Gated: accept its terms on its page and log in before the first download.",
    ),
    ModelCard(
        name="Qwen/Qwen3-Embedding-0.6B",
        dim=1024,
        max_tokens=32768,
        # No space after "Query:", unlike E5.
        prompts={"query": f"Instruct: {_WEB_SEARCH}\nQuery:", "document": ""},
        pooling="lasttoken",
        revision="b22da495047858cce924d27d76261e96be6febc0",
        languages=("multilingual",),
        license="Apache-2.0",
        source=_source("Qwen/Qwen3-Embedding-0.6B"),
        matryoshka_dims=(512, 256, 128, 64, 32),
        notes="Any dimension from 32 to 1024 is supported; the query prompt states the task.",
    ),
    ModelCard(
        name="sentence-transformers/all-MiniLM-L6-v2",
        dim=384,
        max_tokens=256,
        pooling="mean",
        revision="8b3219a92973c328a8e22fadcfa821b5dc75636a",
        languages=("eng",),
        license="Apache-2.0",
        source=_source("sentence-transformers/all-MiniLM-L6-v2"),
    ),
    ModelCard(
        name="sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
        dim=384,
        max_tokens=128,  # mteb has the position table, 512
        pooling="mean",
        revision="bf3bf13ab40c3157080a7ab344c831b9ad18b5eb",
        languages=PARAPHRASE,
        license="Apache-2.0",
        source=_source("sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"),
    ),
    ModelCard(
        name="sentence-transformers/LaBSE",
        dim=768,
        max_tokens=256,  # mteb has the position table, 512
        pooling="cls",
        revision="e34fab64a3011d2176c99545a93d5cbddc9a91b7",
        languages=("multilingual",),
        license="Apache-2.0",
        source=_source("sentence-transformers/LaBSE"),
        notes="A dense layer follows the pooling; it is read only if published as safetensors.",
    ),
)
