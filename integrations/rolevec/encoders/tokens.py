"""Encoders that run on this machine: tokenise, cut or window, batch by length, pool windows."""

from __future__ import annotations

import gzip
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from rolevec.encoders.base import BaseEncoder, check_texts
from rolevec.encoders.batching import token_batches
from rolevec.encoders.progress import Advance
from rolevec.errors import ModelNotAvailable
from rolevec.models.card import ModelCard
from rolevec.prompts import Prompts
from rolevec.roles import Role
from rolevec.truncation import TruncationPolicy, windows
from rolevec.vectors import Matrix

Ids = list[int]

# Tokens in one forward pass: on a CPU what stays near its caches, on a GPU what keeps it busy.
CPU_TOKEN_BUDGET = 1 << 11
GPU_TOKEN_BUDGET = 1 << 16


def read_tokenizer(path: Path) -> Tokenizer:
    """A tokenizer.json with its own truncation and padding switched off: those are ours to do.

    Where there is none, but one with ".gz" behind its name, that one is read.
    """
    packed = path.with_name(path.name + ".gz")
    try:
        if packed.exists() and not path.exists():
            tokenizer = Tokenizer.from_str(gzip.decompress(packed.read_bytes()).decode())
        else:
            tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the binding raises bare Exception
        raise ModelNotAvailable(f"cannot read the tokenizer {path}: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@dataclass(frozen=True, slots=True)
class Counted:
    """Vectors of some texts, and the tokens that made them.

    Attributes:
        vectors: shape (n, dim), one unit row per text, in order.
        tokens: how many of each text reached the model, prompt and special tokens included.
        dropped: how many of each text did not.
    """

    vectors: Matrix
    tokens: list[int]
    dropped: list[int]


@dataclass(frozen=True, slots=True)
class TokenRows:
    """Vectors of the tokens of some texts, as the model gives them before pooling.

    Attributes:
        rows: one array for each text, shape (its tokens, dim); of any length, also zero for a
            token that the model knows nothing of.
        dropped: how many tokens of each text did not reach the model.
    """

    rows: list[npt.NDArray[np.float32]]
    dropped: list[int]


@dataclass(slots=True)
class Plan:
    """Windows of token ids ready for the model, and how to put their vectors together."""

    ids: list[Ids]
    weights: list[int]
    per_text: list[int]
    dropped: list[int]


class TokenEncoder(BaseEncoder):
    """A model over token ids; a backend supplies `_forward`.

    Args:
        tokenizer: without truncation and padding.
        special_tokens: let the tokenizer add its own ([CLS], </s>, …).
        token_budget: most tokens, padding included, in one forward pass.
    """

    def __init__(
        self,
        card: ModelCard,
        tokenizer: Tokenizer,
        *,
        revision: str,
        prompts: Prompts,
        dimensions: int | None = None,
        truncation: TruncationPolicy = "warn",
        special_tokens: bool = True,
        token_budget: int = CPU_TOKEN_BUDGET,
    ) -> None:
        super().__init__(
            card, revision=revision, prompts=prompts, dimensions=dimensions, truncation=truncation
        )
        self.tokenizer = tokenizer
        self._special_tokens = special_tokens
        self._token_budget = token_budget

    @abstractmethod
    def _forward(self, batch: list[Ids]) -> npt.NDArray[np.float32]:
        """Pooled vectors (n, card.dim) of non-empty token id lists of similar length."""

    def count_tokens(self, texts: Sequence[str], role: Role) -> list[int]:
        """See `BaseEncoder.count_tokens`."""
        return [len(ids) for ids in self.token_ids(texts, role)]

    def token_ids(self, texts: Sequence[str], role: Role) -> list[Ids]:
        """Token ids of each text as the model would see it uncut, prompt and special ones included.

        Raises:
            InvalidText: a text is blank or not encodable.
        """
        prompted = self.prompts.apply(check_texts(texts), Role.parse(role))
        return [encoding.ids for encoding in self._tokenize(prompted)]

    def encode_counted(
        self, texts: list[str], role: Role | None, truncation: Literal["end", "start"]
    ) -> Counted:
        """`encode` for who counts tokens and chooses by the call where texts are cut; tells nobody.

        Args:
            texts: non-blank, encodable, not checked again; equal ones are encoded each.
            role: None puts no prompt, for texts that have one already.
            truncation: which end of an over-long text is dropped.

        Raises:
            InvalidText: a text has nothing in it that the model knows.
            InvalidVector: the model returned NaN or infinity.
        """
        plan = self._plan(texts, role, truncation)
        rows = self._finish(self._forward_all(plan.ids))
        return Counted(rows, [len(ids) for ids in plan.ids], plan.dropped)

    def tokens_of(
        self, texts: list[str], role: Role | None, *, special: bool = True
    ) -> list[Encoding]:
        """Tokens with their text and place, uncut.

        Args:
            texts: non-blank and encodable, not checked again.
            role: whose prompt stands before the text; None for none.
            special: with the special tokens that the model's input has, if it has any.
        """
        prompted = texts if role is None else self.prompts.apply(texts, role)
        special = special and self._special_tokens
        if len(prompted) == 1:  # a batch wakes the tokenizer's threads, which then spin for a while
            return [self.tokenizer.encode(prompted[0], add_special_tokens=special)]
        return self.tokenizer.encode_batch(prompted, add_special_tokens=special)

    def token_rows(self, texts: Sequence[str], role: Role) -> TokenRows:
        """Vectors of the tokens of each text, without those of its prompt and special tokens.

        The model reads the text under its role as ever; over-long texts are cut by the encoder's
        policy, but nobody is told. Windows of "split" follow each other.

        Raises:
            InvalidText: a text is blank, or has nothing in it that the model knows.
            ModelNotAvailable: the model gives vectors of whole texts only.
        """
        checked, role = check_texts(texts), Role.parse(role)
        before, after = self.prompts.parts(role)
        plan = Plan([], [], [], [])
        heads: list[int] = []
        for text, encoding in zip(checked, self.tokens_of(checked, role), strict=True):
            end = len(before) + len(text)
            span = _text_span(encoding, len(before), end, suffix=bool(after))
            if span[0] == span[1]:  # a text that is a special token has no others
                span = (0, len(encoding))
            limit = min(self.max_tokens or len(encoding), len(encoding))
            self._cut(plan, encoding.ids, span, limit, self.truncation)
            heads += [span[0]] * plan.per_text[-1]
        pieces = [np.empty((0, 0), np.float32)] * len(plan.ids)
        for batch in self._batches(plan.ids, None):
            found = self._token_rows([plan.ids[i] for i in batch])
            for i, rows in zip(batch, found, strict=True):
                pieces[i] = rows[heads[i] : heads[i] + plan.weights[i]]
        ends = accumulate(plan.per_text)
        parts = [pieces[e - n : e] for e, n in zip(ends, plan.per_text, strict=True)]
        return TokenRows([np.concatenate(part) for part in parts], plan.dropped)

    def _token_rows(self, batch: list[Ids]) -> list[npt.NDArray[np.float32]]:
        """Vectors (tokens, dim) of all tokens of token id lists of similar length."""
        raise ModelNotAvailable(f"{self.name} gives no vectors of tokens")

    def _tokenize(self, texts: list[str]) -> list[Encoding]:
        return self.tokenizer.encode_batch(texts, add_special_tokens=self._special_tokens)

    def _rows(
        self, texts: list[str], role: Role, batch_size: int | None, advance: Advance
    ) -> tuple[npt.NDArray[np.float32], list[int]]:
        plan = self._plan(texts, role)
        pieces = np.empty((len(plan.ids), self.card.dim), dtype=np.float32)
        for batch in self._batches(plan.ids, batch_size):
            pieces[batch] = self._forward([plan.ids[i] for i in batch])
            # Windows outnumber texts only under "split"; the bar counts texts.
            if len(plan.ids) == len(texts):
                advance(len(batch))
        if len(plan.ids) != len(texts):
            pieces = pool_windows(pieces, plan)
            advance(len(texts))
        return pieces, plan.dropped

    def _forward_all(self, ids: list[Ids]) -> npt.NDArray[np.float32]:
        rows = np.empty((len(ids), self.card.dim), dtype=np.float32)
        for batch in self._batches(ids, None):
            rows[batch] = self._forward([ids[i] for i in batch])
        return rows

    def _plan(
        self, texts: list[str], role: Role | None, truncation: TruncationPolicy | None = None
    ) -> Plan:
        plan = Plan([], [], [], [])
        limit = self.max_tokens
        before, after = ("", "") if role is None else self.prompts.parts(role)
        for text, encoding in zip(texts, self.tokens_of(texts, role), strict=True):
            if limit is None or len(encoding) <= limit:
                plan.ids.append(encoding.ids)
                plan.weights.append(len(encoding))
                plan.per_text.append(1)
                plan.dropped.append(0)
                continue
            start = len(before)
            span = _text_span(encoding, start, start + len(text), suffix=bool(after))
            self._cut(plan, encoding.ids, span, limit, truncation or self.truncation)
        return plan

    def _cut(
        self, plan: Plan, ids: Ids, span: tuple[int, int], limit: int, policy: TruncationPolicy
    ) -> None:
        """Cut the text between its prompt, which every window keeps, and the special tokens."""
        head, tail = span
        room = limit - head - (len(ids) - tail)
        if room < 1:
            raise ModelNotAvailable(
                f"the prompt of {self.name} fills all {limit} tokens the model takes"
            )
        spans = windows(tail - head, room, policy)
        for left, right in spans:
            plan.ids.append(ids[:head] + ids[head + left : head + right] + ids[tail:])
            plan.weights.append(right - left)
        plan.per_text.append(len(spans))
        plan.dropped.append(tail - head - sum(right - left for left, right in spans))

    def _batches(self, ids: list[Ids], batch_size: int | None) -> list[list[int]]:
        return token_batches(ids, self._token_budget, batch_size)


def _text_span(encoding: Encoding, start: int, end: int, *, suffix: bool) -> tuple[int, int]:
    """Token positions [head, tail) of the text that spans characters [start, end)."""
    special = encoding.special_tokens_mask
    offsets = encoding.offsets
    count = len(offsets)
    head = 0
    # A token that begins inside the prompt but reaches into the text belongs to the text.
    while head < count and (special[head] or offsets[head][1] <= start):
        head += 1
    tail = count
    while tail > head and (special[tail - 1] or (suffix and offsets[tail - 1][0] >= end)):
        tail -= 1
    return head, tail


def pool_windows(pieces: npt.NDArray[np.float32], plan: Plan) -> npt.NDArray[np.float32]:
    """Length-weighted mean of each text's window vectors, each made a unit vector first.

    The one window of a text stays as it is, whatever texts are beside it.
    """
    norms = np.linalg.norm(pieces, axis=1, keepdims=True)
    weights = np.asarray(plan.weights, dtype=np.float32)[:, None]
    # A zero or infinite window stays visible: the division makes it NaN, which is refused later.
    with np.errstate(divide="ignore", invalid="ignore"):
        weighted = pieces / norms * weights
    starts = np.array([0, *accumulate(plan.per_text)][:-1])
    pooled = np.add.reduceat(weighted, starts, axis=0).astype(np.float32)
    whole = np.array(plan.per_text) == 1
    pooled[whole] = pieces[starts[whole]]
    return pooled
