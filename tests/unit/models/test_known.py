"""Every card is complete, consistent, and pinned."""

import re
from dataclasses import fields

import pytest

from rolevec.models.card import ModelCard
from rolevec.models.families import require_prompts
from rolevec.models.known import KNOWN
from rolevec.prompts import Prompts
from rolevec.roles import Role

BY_NAME = {card.name: card for card in KNOWN}


@pytest.mark.parametrize("card", KNOWN, ids=lambda card: card.name)
class TestCard:
    def test_prompts_are_templates_of_known_roles(self, card):
        prompts = Prompts(card.prompts)
        assert prompts.to_dict() == dict(card.prompts)
        # An asymmetric model whose prompts are equal would be a slip of the pen.
        assert prompts.distinguish is bool(card.prompts)

    def test_sizes_are_positive(self, card):
        assert card.dim > 0
        assert card.max_tokens > 0
        assert all(0 < dim < card.dim for dim in card.matryoshka_dims)

    def test_revision_is_a_commit_or_declared_unverified(self, card):
        if card.revision is None:
            assert "revision" in card.unverified
        else:
            assert re.fullmatch(r"[0-9a-f]{40}", card.revision)

    def test_facts_have_a_source(self, card):
        assert card.source.startswith(f"https://huggingface.co/{card.name}")
        assert card.license
        assert card.pooling
        assert set(card.unverified) <= {field.name for field in fields(ModelCard)}

    def test_languages_are_iso_codes_in_order(self, card):
        assert card.languages
        assert len(set(card.languages)) == len(card.languages)
        if card.languages != ("multilingual",):
            assert all(re.fullmatch(r"[a-z]{3}", code) for code in card.languages)

    def test_its_own_prompts_satisfy_its_family(self, card):
        require_prompts(card.name, Prompts(card.prompts))


def test_names_aliases_and_revisions_are_unique():
    names = [card.name.lower() for card in KNOWN]
    names += [alias.lower() for card in KNOWN for alias in card.aliases]
    assert len(set(names)) == len(names)
    revisions = [card.revision for card in KNOWN]
    assert len(set(revisions)) == len(revisions)


@pytest.mark.parametrize(
    ("name", "query", "document"),
    [
        ("intfloat/multilingual-e5-base", "query: x", "passage: x"),
        (
            "intfloat/multilingual-e5-large-instruct",
            "Instruct: Given a web search query, retrieve relevant passages that answer the query"
            "\nQuery: x",
            "x",
        ),
        (
            "Qwen/Qwen3-Embedding-0.6B",
            "Instruct: Given a web search query, retrieve relevant passages that answer the query"
            "\nQuery:x",
            "x",
        ),
        (
            "BAAI/bge-large-en-v1.5",
            "Represent this sentence for searching relevant passages: x",
            "x",
        ),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "query: x", "x"),
        ("google/embeddinggemma-300m", "task: search result | query: x", "title: none | text: x"),
        ("BAAI/bge-m3", "x", "x"),
    ],
)
def test_what_the_model_is_shown(name, query, document):
    prompts = Prompts(BY_NAME[name].prompts)
    assert prompts.apply(["x"], Role.QUERY) == [query]
    assert prompts.apply(["x"], Role.DOCUMENT) == [document]


def test_e5_takes_symmetric_tasks_as_queries():
    prompts = Prompts(BY_NAME["intfloat/multilingual-e5-small"].prompts)
    assert prompts[Role.CLASSIFICATION] == prompts[Role.CLUSTERING] == prompts[Role.QUERY]
