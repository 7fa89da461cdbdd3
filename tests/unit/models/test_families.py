"""Models that need prompts are not loaded without."""

import pytest

from rolevec.errors import MissingPrompts
from rolevec.models.families import FAMILIES, find_family, require_prompts
from rolevec.models.known import KNOWN
from rolevec.prompts import Prompts


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("acme/multilingual-e5-base-support-tickets", "E5"),
        ("/home/me/models/intfloat_e5-small-v2/", "E5"),
        ("danielheinz/e5-base-sts-en-de", "E5"),
        ("my-mE5-large", "E5"),
        ("intfloat/e5-mistral-7b-instruct", "E5-instruct"),
        ("acme/multilingual-e5-large-instruct-legal", "E5-instruct"),
        ("BAAI/bge-base-en-v1.5", "BGE English"),
        ("BAAI/bge-small-zh-v1.5", "BGE Chinese"),
        ("Snowflake/snowflake-arctic-embed-m-v1.5", "Arctic Embed"),
        ("Snowflake/snowflake-arctic-embed-m-v2.0", "Arctic Embed 2"),
        ("nomic-ai/nomic-embed-text-v1.5", "Nomic Embed and its relatives"),
        ("jinaai/jina-embeddings-v3", "Jina Embeddings 3"),
        ("Qwen/Qwen3-Embedding-8B", "Qwen3 Embedding"),
        ("Alibaba-NLP/gte-Qwen2-1.5B-instruct", "instructed language models"),
        ("NovaSearch/stella_en_400M_v5", "instructed language models"),
        ("mixedbread-ai/mxbai-embed-large-v1", "mxbai-embed and UAE"),
        ("hkunlp/instructor-large", "Instructor"),
        ("unsloth/embeddinggemma-300m", "EmbeddingGemma"),
        ("cl-nagoya/ruri-v3-310m", "Ruri 3"),
    ],
)
def test_a_prompted_family_without_prompts_is_refused(name, family):
    with pytest.raises(MissingPrompts) as caught:
        require_prompts(name, None)
    message = str(caught.value)
    assert repr(name) in message
    assert f"family {family}," in message
    assert "prompts={'query': " in message
    assert "prompts={}" in message
    with pytest.raises(MissingPrompts):
        require_prompts(name, Prompts())  # what is left when neither card nor folder says any


def test_given_prompts_and_an_explicit_opt_out_are_accepted():
    require_prompts("acme/e5-tuned", {"query": "query: ", "document": "passage: "})
    require_prompts("acme/e5-tuned", Prompts({"query": "query: "}))
    require_prompts("acme/e5-tuned", {})


@pytest.mark.parametrize(
    "name",
    [
        "BAAI/bge-m3",
        "thenlper/gte-base",
        "Alibaba-NLP/gte-multilingual-base",
        "sentence-transformers/all-MiniLM-L6-v2",
        "sentence-transformers/LaBSE",
        "sentence-transformers/sentence-t5-base",
        "google/mt5-small",
        "jinaai/jina-embeddings-v2-base-en",
        "acme/plate5-model",
        "tiny-static",
    ],
)
def test_other_models_need_none(name):
    assert find_family(name) is None
    require_prompts(name, None)


def test_proposed_prompts_are_templates_that_tell_the_roles_apart():
    proposals = [family.prompts for family in FAMILIES if family.prompts]
    assert proposals
    assert all(Prompts(proposal).distinguish for proposal in proposals)


@pytest.mark.parametrize("card", [c for c in KNOWN if c.prompts], ids=lambda card: card.name)
def test_the_proposal_agrees_with_the_card(card):
    proposal = find_family(card.name).prompts
    assert proposal == {role: card.prompts[role] for role in ("query", "document")}
