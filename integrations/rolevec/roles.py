"""Roles of a text, and the names that other libraries give them."""

from __future__ import annotations

from enum import StrEnum

from rolevec.errors import UnsupportedRole


class Role(StrEnum):
    """What a text is for; every call that makes a vector names one."""

    QUERY = "query"
    DOCUMENT = "document"
    CLASSIFICATION = "classification"
    CLUSTERING = "clustering"

    @classmethod
    def parse(cls, name: str | Role) -> Role:
        """Read a role in our own words or in another vocabulary's.

        Accepted besides our own: Cohere's ``input_type`` (search_query, search_document),
        LangChain's method names (embed_query, embed_documents), LlamaIndex's hooks (query, text)
        and the prompt names common in Hugging Face model folders (passage, retrieval.query, …).

        Raises:
            UnsupportedRole: the name is in none of these vocabularies.
        """
        if not isinstance(name, str):
            raise UnsupportedRole(f"a role is a Role or a string, not {type(name).__name__}")
        found = _NAMES.get(name.strip().lower())
        if found is None:
            raise UnsupportedRole(
                f"unknown role {name!r}; use one of {', '.join(r.value for r in cls)}"
                " (or Cohere's search_query, search_document)"
            )
        return found

    @property
    def cohere(self) -> str:
        """The role as Cohere's ``input_type``."""
        return _COHERE[self]


_COHERE = {
    Role.QUERY: "search_query",
    Role.DOCUMENT: "search_document",
    Role.CLASSIFICATION: "classification",
    Role.CLUSTERING: "clustering",
}

_NAMES: dict[str, Role] = {
    **{role.value: role for role in Role},
    **{name: role for role, name in _COHERE.items()},
    "embed_query": Role.QUERY,
    "embed_documents": Role.DOCUMENT,
    "text": Role.DOCUMENT,
    "passage": Role.DOCUMENT,
    "corpus": Role.DOCUMENT,
    "retrieval.query": Role.QUERY,
    "retrieval.passage": Role.DOCUMENT,
    "retrieval-query": Role.QUERY,
    "retrieval-document": Role.DOCUMENT,
}
