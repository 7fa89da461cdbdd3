"""Families of models that were trained with prompts and lose quality, in silence, without them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from rolevec.errors import MissingPrompts
from rolevec.prompts import Prompts

_FOR_SEARCHING = "Represent this sentence for searching relevant passages: "
_TASK = "Instruct: Given a web search query, retrieve relevant passages that answer the query"
_SEARCH = {"query": "search_query: ", "document": "search_document: "}


@dataclass(frozen=True, slots=True)
class Family:
    """Models that share their prompts.

    Attributes:
        name: what the family is called.
        pattern: regular expression that its models' names contain, whatever the case.
        needs: what these models expect, one clause.
        prompts: role name -> template for retrieval; empty where each model has its own.
    """

    name: str
    pattern: str
    needs: str
    prompts: Mapping[str, str] = field(default_factory=dict)


# First match wins, so instructed variants stand before the family they come from.
FAMILIES: tuple[Family, ...] = (
    Family(
        "E5-instruct",
        r"e5(?!\d).*instruct|e5-mistral",
        "an instruction before queries",
        {"query": f"{_TASK}\nQuery: ", "document": ""},
    ),
    Family(
        "E5",
        r"(?<![a-z0-9])m?e5(?![a-z0-9])",
        '"query: " before queries and "passage: " before documents',
        {"query": "query: ", "document": "passage: "},
    ),
    Family(
        "BGE English",
        r"bge-(small|base|large)-en(?![a-z])",
        "an instruction before queries",
        {"query": _FOR_SEARCHING, "document": ""},
    ),
    Family(
        "BGE Chinese",
        r"bge-(small|base|large)-zh(?![a-z])",
        "an instruction before queries",
        {"query": "为这个句子生成表示以用于检索相关文章：", "document": ""},
    ),
    Family(
        "BGE with instructions",
        r"bge-(en-icl|multilingual-gemma2|reasoner|code)",
        "an instruction before queries, in a form of the model's own",
    ),
    Family(
        "mxbai-embed and UAE",
        r"mxbai-embed-(2d-)?large|uae-large",
        "an instruction before queries",
        {"query": _FOR_SEARCHING, "document": ""},
    ),
    Family(
        "Arctic Embed 2",
        r"arctic-embed-[a-z]+-v2",
        '"query: " before queries',
        {"query": "query: ", "document": ""},
    ),
    Family(
        "Arctic Embed",
        r"arctic-embed",
        "an instruction before queries",
        {"query": _FOR_SEARCHING, "document": ""},
    ),
    Family(
        "Nomic Embed and its relatives",
        r"nomic-embed-text|modernbert-embed|(?<![a-z])cde-small|ru-en-rosberta",
        "the task's name before every text",
        _SEARCH,
    ),
    Family(
        "Jina Embeddings 3",
        r"jina-embeddings-v3",
        "a sentence for the task before every text",
        {
            "query": "Represent the query for retrieving evidence documents: ",
            "document": "Represent the document for retrieval: ",
        },
    ),
    Family("Jina Embeddings", r"jina-embeddings-v[4-9]", "a prompt for each role"),
    Family(
        "Qwen3 Embedding",
        r"qwen3-embedding|octen-embedding",
        "an instruction before queries",
        {"query": f"{_TASK}\nQuery:", "document": ""},
    ),
    Family(
        "instructed language models",
        r"gte-qwen|sfr-embedding|linq-embed|stella_en|nv-embed|kalm-embedding|f2llm|gritlm|llm2vec"
        r"|harrier-oss",
        "an instruction before queries",
        {"query": f"{_TASK}\nQuery: ", "document": ""},
    ),
    Family(
        "EmbeddingGemma",
        r"embeddinggemma|embedding-gemma",
        "the task before queries and the title before documents",
        {"query": "task: search result | query: ", "document": "title: none | text: "},
    ),
    Family(
        "Ruri 3",
        r"(?<![a-z])ruri-v3",
        "a Japanese prompt for each role",
        {"query": "検索クエリ: ", "document": "検索文書: "},
    ),
    Family(
        "Ruri",
        r"(?<![a-z])ruri-(pt-)?(small|base|large)",
        "a Japanese prompt for each role",
        {"query": "クエリ: ", "document": "文章: "},
    ),
    Family("Instructor", r"(?<![a-z])instructor-(base|large|xl)", "an instruction for each role"),
)


def find_family(name: str) -> Family | None:
    """The prompted family that a model's name speaks of, or None."""
    lowered = name.lower()
    return next((f for f in FAMILIES if re.search(f.pattern, lowered)), None)


def require_prompts(name: str, prompts: Mapping[str, str] | Prompts | None) -> None:
    """Refuse a model of a prompted family for which nobody gave prompts.

    Args:
        name: the model's name, or the name of the model it was made from.
        prompts: None, or an empty `Prompts`, if nothing was found. A plain mapping is what the
            user decided and is accepted even if empty: ``{}`` says that no prompts are wanted.

    Raises:
        MissingPrompts: names the family, what it needs, and how to give it or opt out.
    """
    nothing_found = prompts is None or (isinstance(prompts, Prompts) and not prompts)
    if not nothing_found:
        return
    family = find_family(name)
    if family is None:
        return
    proposal = dict(family.prompts) or {"query": "...", "document": "..."}
    raise MissingPrompts(
        f"{name!r} looks like a model of the family {family.name}, which needs {family.needs};"
        " neither a card nor the model's folder gives its prompts."
        f" Pass them as its documentation has them, for this family usually prompts={proposal!r},"
        " or pass prompts={} if this model was trained without"
    )
