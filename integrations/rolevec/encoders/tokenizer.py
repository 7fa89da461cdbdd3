"""The tokenizer of a model folder, with the settings that stand outside tokenizer.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, normalizers

from rolevec.encoders.tokens import read_tokenizer
from rolevec.errors import ModelNotAvailable


def folder_tokenizer(
    folder: Path, tokenizer_config: dict[str, Any], sentence_config: dict[str, Any]
) -> Tokenizer:
    """Read tokenizer.json and apply ``do_lower_case`` and ``add_eos_token``.

    Raises:
        ModelNotAvailable: the file is missing or unreadable, or a setting cannot be applied.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ModelNotAvailable(
            f"{folder} has no tokenizer.json; save one from transformers:"
            " AutoTokenizer.from_pretrained(folder, use_fast=True).save_pretrained(folder)"
        )
    tokenizer = read_tokenizer(path)
    if sentence_config.get("do_lower_case"):
        lower = normalizers.Lowercase()
        own = tokenizer.normalizer
        tokenizer.normalizer = normalizers.Sequence([lower, own]) if own else lower
    end = tokenizer_config.get("eos_token")
    end = end.get("content") if isinstance(end, dict) else end
    if tokenizer_config.get("add_eos_token") and end:
        return _with_end(tokenizer, end)
    return tokenizer


def _with_end(tokenizer: Tokenizer, end: str) -> Tokenizer:
    """The end token behind every text, unless the tokenizer puts it there by itself."""
    number = tokenizer.token_to_id(end)
    if number is None or tokenizer.encode("a").ids[-1:] == [number]:
        return tokenizer
    content = json.loads(tokenizer.to_str())
    content["post_processor"] = processor = content["post_processor"] or _chain()
    # A chain may hold one template only, so the end goes into the template that is there.
    parts = processor["processors"] if processor["type"] == "Sequence" else [processor]
    template = next((part for part in parts if part["type"] == "TemplateProcessing"), None)
    if template is None:
        template = _template()
        content["post_processor"] = _chain(*parts, template)
    template["single"].append({"SpecialToken": {"id": end, "type_id": 0}})
    template["special_tokens"][end] = {"id": end, "ids": [number], "tokens": [end]}
    try:
        return Tokenizer.from_str(json.dumps(content))
    except Exception as error:  # the binding raises bare Exception
        raise ModelNotAvailable(f"cannot append {end!r} as add_eos_token asks: {error}") from error


def _template() -> dict[str, Any]:
    sequence = {"Sequence": {"id": "A", "type_id": 0}}
    second = {"Sequence": {"id": "B", "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [sequence],
        "pair": [sequence, second],
        "special_tokens": {},
    }


def _chain(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "processors": list(parts)}
