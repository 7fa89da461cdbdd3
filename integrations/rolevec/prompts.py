"""Prompts: role -> template. The only place where a text is altered before it is encoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rolevec.errors import UnsupportedRole
from rolevec.roles import Role

_SLOT = "{text}"


class Prompts(Mapping[Role, str]):
    """An immutable mapping from role to template.

    A template is a prefix ("query: ") or holds the slot ``{text}``. A role without a template of
    its own is treated like a document, because models publish prompts for search and say nothing
    of the rest; a mapping without any template changes no text.
    """

    __slots__ = ("_templates",)

    def __init__(self, templates: Mapping[str, str] | Mapping[Role, str] | None = None) -> None:
        parsed: dict[Role, str] = {}
        for name, template in (templates or {}).items():
            if not isinstance(template, str):
                raise UnsupportedRole(
                    f"the prompt of {name!r} is a {type(template).__name__}, it must be a string"
                )
            if template.count(_SLOT) > 1:
                raise UnsupportedRole(f"the prompt of {name!r} holds {_SLOT} more than once")
            parsed[Role.parse(name)] = template
        self._templates = {role: parsed[role] for role in Role if role in parsed}

    def __getitem__(self, role: Role) -> str:
        return self._templates[role]

    def __iter__(self) -> Iterator[Role]:
        return iter(self._templates)

    def __len__(self) -> int:
        return len(self._templates)

    def __repr__(self) -> str:
        return f"Prompts({self.to_dict()!r})"

    def __hash__(self) -> int:
        return hash(tuple(self._templates.items()))

    @property
    def distinguish(self) -> bool:
        """True if a query and a document are prompted differently."""
        return self.parts(Role.QUERY) != self.parts(Role.DOCUMENT)

    def parts(self, role: Role) -> tuple[str, str]:
        """What stands before and after the text under this role."""
        template = self._templates.get(role, self._templates.get(Role.DOCUMENT, ""))
        before, _, after = template.partition(_SLOT)
        return before, after

    def apply(self, texts: Sequence[str], role: Role) -> list[str]:
        """Put the role's template round each text; order and length are kept."""
        before, after = self.parts(role)
        if not before and not after:
            return list(texts)
        return [f"{before}{text}{after}" for text in texts]

    def updated(self, templates: Mapping[str, str] | Mapping[Role, str] | None) -> Prompts:
        """A copy in which the given templates win."""
        own: dict[str, str] = dict(self.to_dict())
        own.update(Prompts(templates).to_dict())
        return Prompts(own)

    def to_dict(self) -> dict[str, str]:
        """Role names to templates, for JSON."""
        return {role.value: template for role, template in self._templates.items()}
