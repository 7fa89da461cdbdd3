"""RemoteEncoder: any dialect as an encoder."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from rolevec.encoders.base import BaseEncoder, check_texts
from rolevec.encoders.progress import Advance
from rolevec.encoders.remote import running
from rolevec.encoders.remote.batches import all_together, spans, together
from rolevec.encoders.remote.budget import BURST
from rolevec.encoders.remote.dialect import BadReply, Dialect, Reply, read_vector
from rolevec.encoders.remote.pieces import Pieces, cut
from rolevec.encoders.remote.pieces import together as joined
from rolevec.encoders.remote.transport import Transport
from rolevec.encoders.remote.usage import Tally
from rolevec.errors import (
    InputTooLong,
    InvalidVector,
    ModelNotAvailable,
    PartialFailure,
    RemoteError,
    RolevecError,
    UnsupportedByBackend,
)
from rolevec.models.card import ModelCard
from rolevec.prompts import Prompts
from rolevec.roles import Role
from rolevec.truncation import TruncationPolicy
from rolevec.vectors import Matrix, unit_rows

T = TypeVar("T")
_Rows = tuple[npt.NDArray[np.float32], list[int]]


class RemoteEncoder(BaseEncoder):
    """An encoder behind an HTTP API.

    Texts are split at the provider's limits and sent at once as far as concurrency and budget
    allow. When a request fails for good, none is begun or repeated any more, those under way are
    let finish (they are paid for), and what is done comes with the `PartialFailure`.

    Pickling leaves out the key, which the other side reads from its environment, and the hook.

    Args:
        dialect: how to ask for this model.
        transport: where to ask.
        card: facts about the model; ``card.dim`` is what the endpoint delivers.
        revision: of the weights where the endpoint tells, else a word for the provider.
        prompts: put before the texts on our side.
        dimensions: deliver this many leading coordinates, re-normalised.
        truncation: policy; what the provider has nothing for is refused by name.

    Raises:
        UnsupportedByBackend: the policy.
    """

    awaits = True
    # The endpoint batches as it likes, in a precision of its own.
    tolerance = 1e-3

    def __init__(
        self,
        dialect: Dialect,
        transport: Transport,
        card: ModelCard,
        *,
        revision: str,
        prompts: Prompts,
        dimensions: int | None = None,
        truncation: TruncationPolicy = "warn",
    ) -> None:
        super().__init__(
            card, revision=revision, prompts=prompts, dimensions=dimensions, truncation=truncation
        )
        dialect.check_truncation(self.truncation)
        self.backend = dialect.provider.name
        self.tells_truncation = dialect.tells_tokens
        self._dialect = dialect
        self._transport = transport
        self._overheads: dict[Role, int] = {}
        if truncation == "start" and any(prompts.values()) and not dialect.tells_tokens:
            raise UnsupportedByBackend(
                f'truncation="start": {self.backend} would cut the prompt off with the text\'s'
                ' start; use "end" or "error"'
            )
        self.fingerprint = replace(self.fingerprint, prompts=_applied(dialect, prompts))

    def count_tokens(self, texts: Sequence[str], role: Role) -> list[int]:
        """See `BaseEncoder.count_tokens`; costs requests.

        Raises:
            UnsupportedByBackend: the provider counts no tokens.
        """
        role, dialect = Role.parse(role), self._dialect
        requests = dialect.tokenize(self.prompts.apply(check_texts(texts), role), role)

        async def ask(tally: Tally) -> list[int]:
            asks = [
                partial(self._transport.ask, request, dialect.token_counts, tally)
                for request in requests
            ]
            return [count for counts in await all_together(asks, tally) for count in counts]

        return self._run(ask, role, len(texts))

    def _rows(
        self, texts: list[str], role: Role, batch_size: int | None, advance: Advance
    ) -> _Rows:
        return self._run(partial(self._ask, texts, role, batch_size, advance), role, len(texts))

    async def _arows(
        self, texts: list[str], role: Role, batch_size: int | None, advance: Advance
    ) -> _Rows:
        tally = Tally()
        try:
            return await running.arun(self._ask(texts, role, batch_size, advance, tally))
        finally:
            self._tell(tally, role, len(texts))

    def close(self) -> None:
        """Close the connections; a later call to `encode` is refused."""
        super().close()
        self._transport.close()

    def _run(self, ask: Callable[[Tally], Awaitable[T]], role: Role, texts: int) -> T:
        tally = Tally()

        async def task() -> T:
            return await ask(tally)

        try:
            return running.run(task())
        finally:
            self._tell(tally, role, texts)

    def _tell(self, tally: Tally, role: Role, texts: int) -> None:
        hook = self._transport.connection.on_usage
        if hook is not None and tally.requests:
            hook(tally.usage(self.backend, self._dialect.model, role, texts))

    async def _ask(
        self, texts: list[str], role: Role, batch_size: int | None, advance: Advance, tally: Tally
    ) -> _Rows:
        """Rows (n, card.dim) of length 1, and tokens dropped.

        Raises:
            PartialFailure: always when a request failed, even if nothing is done: what else is
                done the caller knows.
            InputTooLong: the provider refused a text for its length.
        """
        try:
            pieces = await self._pieces(texts, role, tally)
        except RemoteError as error:
            nothing = np.empty((0, self.card.dim), dtype=np.float32)
            raise PartialFailure(
                error, done=(), vectors=nothing, dropped=(), total=len(texts)
            ) from error
        prompted = self.prompts.apply(pieces.texts, role)
        dialect = self._dialect
        parts = spans(
            prompted,
            min(dialect.max_texts, batch_size or dialect.max_texts),
            tokens=self._request_tokens(),
            size=dialect.max_request_bytes,
        )

        async def ask(start: int, end: int) -> Matrix:
            rows = await self._vectors(prompted[start:end], role, tally)
            advance(pieces.finished(start, end))
            return rows

        results, failures = await together([partial(ask, *part) for part in parts], tally)
        rows = np.zeros((len(prompted), self.card.dim), dtype=np.float32)
        have = np.zeros(len(prompted), dtype=bool)
        for (start, end), result in zip(parts, results, strict=True):
            if result is not None:
                rows[start:end], have[start:end] = result, True
        rows, have = pieces.join(rows, have)
        if failures:
            raise self._failed(failures, rows, have, pieces) from failures[0]
        return rows, pieces.dropped

    def _request_tokens(self) -> int | None:
        """Most tokens in one request: the provider's limit, and what the budget lets go at once."""
        allowed = self._transport.connection.tokens_per_minute
        burst = None if allowed is None else max(1, int(allowed * BURST))
        return min(filter(None, (self._dialect.max_request_tokens, burst)), default=None)

    def _failed(
        self,
        failures: list[Exception],
        rows: npt.NDArray[np.float32],
        have: npt.NDArray[np.bool_],
        pieces: Pieces,
    ) -> Exception:
        # A text of the caller's that is too long is the same error whatever else is done, and
        # what is not ours is a fault in this program.
        for error in failures:
            if isinstance(error, InputTooLong) or not isinstance(error, RolevecError):
                return error
        done: list[int] = np.flatnonzero(have).tolist()
        dropped = [pieces.dropped[i] for i in done]
        return PartialFailure(
            failures[0], done=done, vectors=rows[have], dropped=dropped, total=len(have)
        )

    async def _vectors(self, texts: list[str], role: Role, tally: Tally) -> Matrix:
        request = self._dialect.embed(texts, role)

        def read(reply: Reply) -> Matrix:
            tally.add(*self._dialect.usage(reply))
            vectors = self._dialect.vectors(reply)
            if len(vectors) != len(texts):
                raise BadReply(f"{len(vectors)} vectors for {len(texts)} texts")
            try:
                return unit_rows([read_vector(v) for v in vectors], self.card.dim)
            except InvalidVector as error:
                raise InvalidVector(f"{self._transport.route(request)}: {error}") from None

        return await self._transport.ask(
            request, read, tally, lambda reply: self._dialect.usage(reply)[0]
        )

    async def _pieces(self, texts: list[str], role: Role, tally: Tally) -> Pieces:
        limit = self.max_tokens
        if limit is None or not self._dialect.tells_tokens:
            return Pieces.whole(texts)
        overhead = await self._overhead(role, tally)
        room = limit - overhead
        if room < 1:
            raise ModelNotAvailable(
                f"the prompt of {self.name} fills all {limit} tokens the model takes"
            )
        # A token is at least one byte, so most texts need not be counted.
        long = [i for i, text in enumerate(texts) if len(text.encode()) + 1 > room]
        requests = self._dialect.tokenize([texts[i] for i in long], role, bare=True)
        asks = [
            partial(self._transport.ask, request, self._dialect.tokens, tally)
            for request in requests
        ]
        found = [tokens for some in await all_together(asks, tally) for tokens in some]
        tokens = dict(zip(long, found, strict=True))
        return joined(
            [
                cut(text, tokens[i], room, self.truncation)
                if len(tokens.get(i, ())) > room
                else Pieces.whole([text])
                for i, text in enumerate(texts)
            ]
        )

    async def _overhead(self, role: Role, tally: Tally) -> int:
        """Tokens of the role's prompt and special tokens."""
        if role not in self._overheads:
            dialect, probe = self._dialect, ["ok"]
            (whole,) = dialect.tokenize(self.prompts.apply(probe, role), role)
            (bare,) = dialect.tokenize(probe, role, bare=True)
            asks = [
                partial(self._transport.ask, request, dialect.token_counts, tally)
                for request in (whole, bare)
            ]
            (with_all,), (alone,) = await all_together(asks, tally)
            self._overheads[role] = max(0, with_all - alone)
        return self._overheads[role]


def _applied(dialect: Dialect, prompts: Prompts) -> dict[str, str]:
    """What tells the roles apart, as name -> template: the endpoint's own means and our text."""
    applied = prompts.to_dict()
    for role in Role:
        own = dialect.applied(role)
        if own:
            before, after = prompts.parts(role)
            text = f"{before}{{text}}{after}" if after else before
            applied[role.value] = f"{own} {text}" if text else own
    return applied
