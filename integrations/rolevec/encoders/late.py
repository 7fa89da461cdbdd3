"""Late interaction: every token of a query looks for its like among the tokens of a text."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from rolevec.encoders.loading import load_encoder
from rolevec.encoders.tokens import TokenEncoder
from rolevec.errors import InvalidText, ModelNotAvailable, RolevecError
from rolevec.roles import Role
from rolevec.truncation import enforce
from rolevec.vectors import Matrix

# Token vectors of texts that several queries ask for: at most so many bytes are kept in one call.
_KEPT_BYTES = 1 << 29
_TEXTS_AT_A_TIME = 256


class _Tokens(NamedTuple):
    """Unit vectors of a text's tokens (n, dim), what each counts, (n,), in sum 1, and the text's
    own vector (dim,), or zero if nobody asks for it."""

    units: Matrix
    weights: npt.NDArray[np.float32]
    whole: npt.NDArray[np.float32]


class LateInteraction:
    """Scores by the tokens of query and text; a `rolevec.ranking.rerank.PairScorer`.

    MaxSim (Khattab and Zaharia, "ColBERT", SIGIR 2020, section 3.3): each token of the query takes
    the highest cosine that it has with any token of the text. Their mean, weighted by the length of
    the query's token vectors before they are made unit vectors, lies in [-1, 1]. With the weights a
    token counts as much as it does in the mean that makes the text's one vector.

    The share ``whole`` of the score is the cosine of query and text as wholes, which sees what no
    single token says (as in Gao, Dai and Callan, "COIL", NAACL 2021, which adds the two). The score
    is (1 + similarity) / 2.

    Query and texts are read under their roles; the tokens of prompts, and special ones, are not
    compared.

    Args:
        encoder: one of ours that runs here: static, ONNX Runtime, OpenVINO or torch.
        whole: from 0, MaxSim alone, for models that were trained with it, to 1, the cosine alone.
            Between, a transformer reads every text twice.

    Attributes:
        name: "late:" and the encoder's name.
        max_tokens: longest query or text, prompt and special tokens included; None if unlimited.

    Raises:
        ModelNotAvailable: the encoder has no vectors of tokens (it is remote, or cached).
        ValueError: ``whole`` is not between 0 and 1.
    """

    def __init__(self, encoder: TokenEncoder, *, whole: float = 0.5) -> None:
        if not 0 <= whole <= 1:
            raise ValueError(f"whole={whole} is not between 0 and 1")
        if not isinstance(encoder, TokenEncoder):
            raise ModelNotAvailable(
                f"{encoder.name} gives one vector a text; late interaction needs those of its"
                " tokens, which encoders that run here without a cache have"
            )
        self.name = f"late:{encoder.name}"
        self.max_tokens = encoder.max_tokens
        self.whole = whole
        self._encoder: TokenEncoder | None = encoder

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score a text from 0 to 1, in the order of the texts; higher is better.

        Raises:
            InvalidText: the query or a text is blank, or has nothing in it that the model knows.
            InputTooLong: one is too long, and that is an error to the encoder.
        """
        return self.score_many([query], [texts])[0]

    def score_many(
        self, queries: Sequence[str], texts: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """`score` for many queries; a text that several have in common is read once.

        Args:
            queries: n of them.
            texts: of each query, n lists.
        """
        encoder = self._encoder
        if encoder is None:
            raise RolevecError(f"the scorer {self.name} is closed; load it again")
        reader = _Reader(encoder, whole=self.whole > 0)
        kept = _Kept(reader)
        asked = reader.read(queries, Role.QUERY)
        return [
            [self._similarity(query, text) for text in kept.of(some)]
            for query, some in zip(asked, texts, strict=True)
        ]

    def _similarity(self, query: _Tokens, text: _Tokens) -> float:
        best = float(query.weights @ (query.units @ text.units.T).max(axis=1))
        similarity = (1 - self.whole) * best + self.whole * float(query.whole @ text.whole)
        # Rounding may put a cosine a little beyond 1.
        return min(max((1 + similarity) / 2, 0.0), 1.0)

    def close(self) -> None:
        """Let the model go; a later call to `score` is refused."""
        if self._encoder is not None:
            self._encoder.close()
        self._encoder = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"


def load_late_scorer(model: str, options: Mapping[str, Any]) -> LateInteraction:
    """Make a scorer of "late:MODEL"; options are ``whole`` and those of `load_encoder`."""
    loading = dict(options)
    own = {"whole": loading.pop("whole")} if "whole" in loading else {}
    encoder = load_encoder(model, **loading)
    if not isinstance(encoder, TokenEncoder):
        encoder.close()
    # What has no token vectors is refused there.
    return LateInteraction(encoder, **own)  # type: ignore[arg-type]


class _Reader:
    """Reads texts token by token, and as wholes if asked to."""

    def __init__(self, encoder: TokenEncoder, *, whole: bool) -> None:
        self._encoder = encoder
        self._whole = whole

    def read(self, texts: Sequence[str], role: Role) -> list[_Tokens]:
        encoder = self._encoder
        found = encoder.token_rows(texts, role)
        if self._whole:
            wholes = encoder.encode(texts, role)  # which tells what was cut
        else:
            enforce(found.dropped, encoder.max_tokens, encoder.truncation)
            wholes = np.zeros((len(texts), encoder.dim), np.float32)
        return [
            _unit(rows, whole, encoder.name) for rows, whole in zip(found.rows, wholes, strict=True)
        ]


class _Kept:
    """Tokens of texts, the latest used within a bound of memory."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self._found: OrderedDict[str, _Tokens] = OrderedDict()
        self._bytes = 0

    def of(self, texts: Sequence[str]) -> list[_Tokens]:
        here = {text: self._found[text] for text in texts if text in self._found}
        new = list(dict.fromkeys(text for text in texts if text not in here))
        for start in range(0, len(new), _TEXTS_AT_A_TIME):
            some = new[start : start + _TEXTS_AT_A_TIME]
            here.update(zip(some, self._reader.read(some, Role.DOCUMENT), strict=True))
        for text, tokens in here.items():
            if text not in self._found:
                self._bytes += tokens.units.nbytes
            self._found[text] = tokens
            self._found.move_to_end(text)
        while self._bytes > _KEPT_BYTES:
            _, oldest = self._found.popitem(last=False)
            self._bytes -= oldest.units.nbytes
        return [here[text] for text in texts]


def _unit(rows: npt.NDArray[np.float32], whole: npt.NDArray[np.float32], name: str) -> _Tokens:
    lengths = np.linalg.norm(rows, axis=1)
    known = lengths > 0
    total = float(lengths.sum())
    if not np.isfinite(total):
        raise ModelNotAvailable(f"{name} gave a token vector that is no number")
    if not known.any():
        raise InvalidText(f"a text holds no character that {name} makes a token of")
    units = rows[known] / lengths[known, None]
    return _Tokens(units, (lengths[known] / total).astype(np.float32), whole)
