"""`rolevec models`."""

from __future__ import annotations

from dataclasses import asdict

import click

from rolevec.cli.options import as_json as json_option
from rolevec.cli.output import print_json, print_table
from rolevec.errors import UnknownModel
from rolevec.models.card import ModelCard
from rolevec.models.registry import cards, find_card, suggest


@click.command()
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the models known by name, or show what is known of one.

    Any other model of the Hugging Face hub, and any folder, can be loaded as well.
    """
    if name is None:
        if as_json:
            print_json([_facts(card) for card in cards()])
        else:
            _print_list(cards())
        return
    card = find_card(name)
    if card is None:
        near = suggest(name)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; `rolevec models` lists them"
        raise UnknownModel(f"there is no card for {name!r}{hint}")
    if as_json:
        print_json(_facts(card))
        return
    facts = [(key.replace("_", " "), value) for key, value in _facts(card).items() if value]
    print_table(["", " "], [(key, _plain(value)) for key, value in facts], wide=" ")


def _facts(card: ModelCard) -> dict[str, object]:
    return {**asdict(card), "prompts": dict(card.prompts)}


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_entry(entry)}" for key, entry in value.items())
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _entry(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{measure} {100 * score:.1f}" for measure, score in value.items())
    return f"{value:,}" if isinstance(value, int) else repr(value)


def _print_list(listed: tuple[ModelCard, ...]) -> None:
    rows = [
        (
            "\n  ".join((card.name, *card.aliases)),
            card.dim,
            card.max_tokens or "",
            _languages(card),
            "yes" if card.prompts else "no",
            card.license,
        )
        for card in listed
    ]
    headings = ["name", ">dim", ">tokens", ">languages", "prompts", "licence"]
    print_table(headings, rows)


def _languages(card: ModelCard) -> str:
    if card.languages == ("multilingual",):
        return "many"
    return str(len(card.languages) or "")
