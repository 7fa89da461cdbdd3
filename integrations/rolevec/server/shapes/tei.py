"""TEI's requests (github.com/huggingface/text-embeddings-inference, router/src/http/types.rs)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers import Encoding

import rolevec
from rolevec.roles import Role
from rolevec.server.engine import Model, Scores, Truncation
from rolevec.server.failures import Kind, Refused, invalid, malformed
from rolevec.server.reading import Body, choice, count, flag, role, text, texts
from rolevec.server.settings import Limits
from rolevec.server.shapes.openai import read_inputs

_POOLING = {"lasttoken": "last_token"}


@dataclass(frozen=True, slots=True)
class Options:
    """What may stand beside the texts.

    Attributes:
        role: of ``prompt_name``; None puts no prompt.
    """

    role: Role | None
    truncation: Truncation
    dimensions: int | None


@dataclass(frozen=True, slots=True)
class Rerank:
    """What a rerank request asks."""

    query: str
    texts: list[str]
    return_text: bool


def read_options(body: Body) -> Options:
    """Read and check them.

    Raises:
        Refused: says what is wrong.
    """
    if flag(body, "normalize") is False:
        raise invalid("normalize=false: the vectors of this server have length 1", "normalize")
    left = choice(body, "truncation_direction", ("left", "right")) == "left"
    truncation: Truncation = "start" if left else "end"
    if flag(body, "truncate") is False:  # null is the server's default, which is to cut
        truncation = "error"
    return Options(role(body, "prompt_name"), truncation, count(body, "dimensions"))


def read_texts(body: Body, limits: Limits) -> list[str] | list[list[Any]]:
    """``inputs``: texts, or lists of token ids.

    Raises:
        Refused: says what is wrong with them.
    """
    inputs = read_inputs(body.get("inputs"), "inputs", limits)
    _check_size(len(inputs), limits)
    return inputs


def read_similarity(body: Body, limits: Limits) -> list[str]:
    """The source sentence, and the others behind it.

    Raises:
        Refused: says what is wrong with them.
    """
    inputs = body.get("inputs")
    if not isinstance(inputs, dict):
        raise malformed(
            'inputs must be an object like {"source_sentence": "…", "sentences": ["…"]}', "inputs"
        )
    most = limits.text_characters
    source = text(inputs.get("source_sentence"), "inputs.source_sentence", most)
    sentences = texts(inputs.get("sentences"), "inputs.sentences", most)
    if not sentences:
        raise Refused(Kind.EMPTY, "inputs.sentences is empty", param="inputs")
    _check_size(len(sentences), limits)
    return [source, *sentences]


def read_rerank(body: Body, limits: Limits) -> Rerank:
    """Read and check a request.

    Raises:
        Refused: says what is wrong with it.
    """
    most = limits.text_characters
    query = text(body.get("query"), "query", most)
    found = texts(body.get("texts"), "texts", most)
    if not found:
        raise Refused(Kind.EMPTY, "texts is empty", param="texts")
    if len(found) > limits.documents:
        raise invalid(f"{len(found)} texts; this server takes {limits.documents}", "texts")
    flag(body, "raw_scores")
    read_options(body)
    return Rerank(query, found, bool(flag(body, "return_text")))


def rerank_answer(ask: Rerank, scores: Scores) -> list[dict[str, Any]]:
    """The answer's JSON, best first."""
    order = sorted(range(len(scores.values)), key=lambda i: -scores.values[i])
    results: list[dict[str, Any]] = [{"index": i, "score": scores.values[i]} for i in order]
    if ask.return_text:
        for result in results:
            result["text"] = ask.texts[result["index"]]
    return results


def tokens_answer(source: str, encoding: Encoding) -> list[dict[str, Any]]:
    """The tokens of one text with their places, which are bytes, as TEI counts them.

    Args:
        source: what was tokenised, prompt included.
        encoding: its tokens.
    """
    places = _byte_places(source)
    tokens = []
    for number, token, (start, stop), special in zip(
        encoding.ids, encoding.tokens, encoding.offsets, encoding.special_tokens_mask, strict=True
    ):
        written = token if special else source[start:stop]
        tokens.append(
            {
                "id": number,
                "text": written,
                "special": bool(special),
                "start": None if special else places[start],
                "stop": None if special else places[stop],
            }
        )
    return tokens


def info(model: Model, limits: Limits) -> Mapping[str, Any]:
    """What `/info` says of a model; ``prompts``, by role, are more than TEI tells."""
    encoder = model.encoder
    pooling = encoder.card.pooling or "mean"
    return {
        "model_id": model.name,
        "model_sha": encoder.fingerprint.revision or None,
        "model_dtype": "float32",
        "served_model_name": model.name,
        "model_type": {"embedding": {"pooling": _POOLING.get(pooling, pooling)}},
        "max_concurrent_requests": limits.queue_requests,
        "max_input_length": encoder.max_tokens or limits.text_characters,
        "max_batch_tokens": model.batcher.budget,
        "max_batch_requests": None,
        "max_client_batch_size": limits.tei_texts,
        "auto_truncate": True,
        "tokenization_workers": 1,
        "version": rolevec.__version__,
        "sha": None,
        "docker_label": None,
        "prompts": encoder.prompts.to_dict(),
    }


def _check_size(size: int, limits: Limits) -> None:
    if size > limits.tei_texts:
        raise invalid(
            f"batch size {size} > maximum allowed batch size {limits.tei_texts}", "inputs"
        )


def _byte_places(source: str) -> list[int] | range:
    """For each character's place, that of its first byte."""
    if source.isascii():
        return range(len(source) + 1)
    places = [0]
    for character in source:
        places.append(places[-1] + len(character.encode()))
    return places
