"""Cross-encoders behind an API: Cohere's `/v2/rerank` and TEI's `/rerank`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Self

from rolevec.encoders.base import check_texts
from rolevec.encoders.remote import cohere, running, tei
from rolevec.encoders.remote.batches import all_together, spans
from rolevec.encoders.remote.budget import estimate_tokens
from rolevec.encoders.remote.connection import Provider
from rolevec.encoders.remote.dialect import BadReply, Reply, Request, part
from rolevec.encoders.remote.loading import open_connection
from rolevec.encoders.remote.transport import Transport
from rolevec.encoders.remote.usage import Tally
from rolevec.errors import ModelNotAvailable, RolevecError

# What Cohere's best practices for rerank recommend as the most in one request.
_COHERE_DOCUMENTS = 1000


class RemoteScorer(ABC):
    """Scores pairs of a query and a text; a `rolevec.ranking.rerank.PairScorer`.

    Each text is scored by itself, so the split into requests does not show in the scores.

    Args:
        model: as the provider calls it.
        transport: where to ask.
        max_texts: most texts in one request.

    Attributes:
        name: the model's name.
    """

    provider: ClassVar[Provider]
    _score: ClassVar[str]

    def __init__(self, model: str, transport: Transport, max_texts: int) -> None:
        self.name = model
        self._transport = transport
        self._max_texts = max_texts
        self._closed = False

    @abstractmethod
    def _request(self, query: str, texts: list[str]) -> Request:
        """Asks for the scores of some texts."""

    @abstractmethod
    def _results(self, reply: Reply, tally: Tally) -> list[Any]:
        """The results of an answer, as JSON objects with "index", in any order."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score a text, in the order of the texts; higher is better.

        Raises:
            InvalidText: the query or a text is blank.
            RemoteError: the endpoint failed; no score is given then.
        """
        tally = Tally()
        try:
            return running.run(self._ask(*self._checked(query, texts), tally))
        finally:
            self._tell(tally, len(texts))

    async def ascore(self, query: str, texts: Sequence[str]) -> list[float]:
        """`score`, awaited; cancelling it stops the requests under way."""
        tally = Tally()
        try:
            return await running.arun(self._ask(*self._checked(query, texts), tally))
        finally:
            self._tell(tally, len(texts))

    def close(self) -> None:
        """Close the connections; a later call is refused."""
        self._closed = True
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self._transport.connection.base_url!r})"

    def _checked(self, query: str, texts: Sequence[str]) -> tuple[str, list[str]]:
        if self._closed:
            raise RolevecError(f"the scorer {self.name} is closed; load it again")
        return check_texts([query])[0], check_texts(texts)

    async def _ask(self, query: str, texts: list[str], tally: Tally) -> list[float]:
        parts = [texts[start:end] for start, end in spans(texts, self._max_texts)]
        asks = [partial(self._ask_part, query, some, tally) for some in parts]
        return [score for scores in await all_together(asks, tally) for score in scores]

    async def _ask_part(self, query: str, texts: list[str], tally: Tally) -> list[float]:
        def read(reply: Reply) -> list[float]:
            return _in_order(self._results(reply, tally), self._score, len(texts))

        return await self._transport.ask(self._request(query, texts), read, tally)

    def _tell(self, tally: Tally, texts: int) -> None:
        hook = self._transport.connection.on_usage
        if hook is not None and tally.requests:
            hook(tally.usage(self.provider.name, self.name, None, texts))


class CohereScorer(RemoteScorer):
    """`/v2/rerank`; scores from 0 to 1."""

    provider = cohere.COHERE
    _score = "relevance_score"

    def _request(self, query: str, texts: list[str]) -> Request:
        body = {"model": self.name, "query": query, "documents": texts, "top_n": len(texts)}
        return Request("/v2/rerank", body, estimate_tokens([query, *texts]))

    def _results(self, reply: Reply, tally: Tally) -> list[Any]:
        tally.add(*cohere.read_usage(reply))
        results: list[Any] = part(reply.data, "results", list)
        return results


class TeiScorer(RemoteScorer):
    """TEI's `/rerank`; scores from 0 to 1, long texts cut at their end."""

    provider = tei.TEI
    _score = "score"

    def _request(self, query: str, texts: list[str]) -> Request:
        body = {"query": query, "texts": texts, "raw_scores": False, "truncate": True}
        return Request("/rerank", body, estimate_tokens([query, *texts]))

    def _results(self, reply: Reply, tally: Tally) -> list[Any]:
        tally.add(*tei.read_usage(reply))
        if not isinstance(reply.data, list):
            raise BadReply("JSON that is no list of scores")
        return reply.data


def load_remote_scorer(scheme: str, rest: str, options: Mapping[str, Any]) -> RemoteScorer:
    """Make a scorer of "cohere:MODEL" or "tei:URL".

    Raises:
        TypeError, ValueError, AuthenticationError: see `open_connection`.
        ModelNotAvailable: the TEI server has no reranker.
        RemoteError: the TEI server was asked for its `/info` and failed.
    """
    if scheme == "cohere":
        transport = Transport(open_connection(cohere.COHERE, options))
        return CohereScorer(rest, transport, _COHERE_DOCUMENTS)
    if options.get("base_url") is not None:
        raise TypeError("tei: takes the address behind the colon, and no base_url")
    transport = Transport(open_connection(tei.TEI, {**options, "base_url": rest}))
    info = running.run(transport.ask(tei.INFO, tei.read_info, Tally()))
    if info.kind != "reranker":
        raise ModelNotAvailable(
            f"{transport.connection.base_url} serves {info.model}, which is for {info.kind}, not"
            " a reranker; an encoder can be passed to rerank() as it is"
        )
    return TeiScorer(info.model, transport, info.max_texts)


def _in_order(results: list[Any], name: str, count: int) -> list[float]:
    """Scores by "index", which must name each of ``count`` texts once."""
    try:
        scores = {int(item["index"]): float(item[name]) for item in results}
    except (KeyError, TypeError, ValueError):
        raise BadReply(f"results without 'index' and {name!r}") from None
    if len(results) != count or sorted(scores) != list(range(count)):
        raise BadReply(f"{len(results)} scores for {count} texts, or not one for each")
    if not all(map(math.isfinite, scores.values())):
        raise BadReply("a score that is NaN or infinite")
    return [scores[index] for index in range(count)]
