"""Texts from token ids, which a client may send in place of them.

OpenAI's clients, LangChain's among them, make ids with OpenAI's tokenizer whatever the model is
called. Read with another tokenizer they would be texts that nobody wrote, so it is said in the
settings whose ids they are, and ids that cannot be read are refused.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from functools import lru_cache
from typing import Any

from rolevec.server import reading
from rolevec.server.engine import Model
from rolevec.server.failures import invalid
from rolevec.server.settings import TokenIds

_PATIENCE = 10.0


def decode(model: Model, ids: list[int], name: str) -> str:
    """The text of a model's own token ids.

    Raises:
        Refused: one is none of its tokens.
    """
    tokenizer = model.encoder.tokenizer
    checked = reading.ids(ids, name, tokenizer.get_vocab_size())
    return tokenizer.decode(checked, skip_special_tokens=True)


def own_texts(model: Model, inputs: list[str] | list[list[Any]], name: str, most: int) -> list[str]:
    """Texts as they are, and those of the model's own token ids."""
    if isinstance(inputs[0], str):
        return inputs
    return [
        reading.text(decode(model, ids, f"{name}[{place}]"), f"the text of {name}[{place}]", most)
        for place, ids in enumerate(inputs)
    ]


async def openai_texts(
    kind: TokenIds, model: Model, inputs: list[str] | list[list[Any]], most: int
) -> list[str]:
    """Texts as they are, and those of token ids of the kind the settings say.

    Raises:
        Refused: they are no such ids, or what reads them is not there.
    """
    if kind == "model" or isinstance(inputs[0], str):
        return own_texts(model, inputs, "input", most)
    encoding = await _encoding(kind)
    found = []
    for place, ids in enumerate(inputs):
        name = f"input[{place}]"
        checked = reading.ids(ids, name, encoding.n_vocab)
        try:
            decoded = encoding.decode(checked, errors="replace")
        except KeyError as error:  # numbers between the special tokens belong to none
            raise invalid(f"{name}: {error} is no token of {kind}", "input") from None
        found.append(reading.text(decoded, f"the text of {name}", most))
    return found


async def _encoding(kind: str) -> Any:
    """tiktoken's encoding.

    Raises:
        Refused: it, or its file, cannot be had, or not yet.
    """
    loading = asyncio.wrap_future(_loading(kind))
    try:
        return await asyncio.wait_for(asyncio.shield(loading), _PATIENCE)
    except Exception:  # what tiktoken's HTTP client raises, or a time-out
        raise invalid(
            f"input holds token ids, and what reads them ({kind}) is not on this server; send"
            " strings (LangChain: check_embedding_ctx_length=False). Its owner can install"
            ' tiktoken and its file of tokens, or set token_ids = "model" if they are the'
            " model's own",
            "input",
        ) from None


@lru_cache
def _loading(kind: str) -> Future[Any]:
    """Begins to load it, once: tiktoken fetches its file, which may take any time."""
    future: Future[Any] = Future()

    def load() -> None:
        try:
            import tiktoken

            future.set_result(tiktoken.get_encoding(kind))
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=load, name=f"rolevec {kind}", daemon=True).start()
    return future
