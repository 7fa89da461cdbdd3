"""Opened ONNX graphs, whatever runs them: what they are fed, what they give, encoders on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from rolevec.encoders.pooling import pad, pool
from rolevec.encoders.precision import TOLERANCE
from rolevec.encoders.tokens import GPU_TOKEN_BUDGET, Ids
from rolevec.encoders.transformer import CPU_BATCH, TransformerEncoder
from rolevec.errors import ModelNotAvailable

TOKEN_OUTPUTS = ("last_hidden_state", "token_embeddings")
TEXT_OUTPUTS = ("sentence_embedding", "sentence_embeddings")
SCORE_OUTPUTS = ("logits",)
_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")

Integers = npt.NDArray[np.int64]


class Graph(ABC):
    """A model that has been opened; calls from several threads are safe.

    Attributes:
        backend: what runs it, in a word.
        device: where.
        precision: of its arithmetic.
        parallel: calls that pay off at once.
        output: the name of what it gives.
    """

    backend: ClassVar[str]
    device: str
    precision: str
    parallel: int = 1
    output: str
    _inputs: Mapping[str, npt.DTypeLike]

    def __call__(
        self, ids: Integers, mask: Integers, types: Integers | None = None
    ) -> npt.NDArray[np.float32]:
        """Run one batch.

        Args:
            ids: token ids (n, width), padded on the right.
            mask: 1 for a token, 0 for padding; of the same shape.
            types: 0 for the first text of a pair, 1 for the second; None is all 0.

        Returns:
            vectors of tokens (n, width, dim) or of texts (n, dim), or scores (n, labels).
        """
        values = {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(ids) if types is None else types,
            "position_ids": np.broadcast_to(np.arange(ids.shape[1]), ids.shape),
        }
        return self._run(
            {
                name: np.ascontiguousarray(values[name], dtype=dtype)
                for name, dtype in self._inputs.items()
            }
        )

    @abstractmethod
    def _run(self, feed: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        """What the graph gives under ``output``."""

    @property
    def token_budget(self) -> int:
        """Tokens worth putting into one call."""
        return CPU_BATCH if self.device == "cpu" else GPU_TOKEN_BUDGET

    def _settle(
        self, name: str, inputs: Mapping[str, npt.DTypeLike], outputs: Sequence[str],
        wanted: Sequence[str],
    ) -> None:  # fmt: skip
        """Make sure that the graph can be fed and gives what is wanted.

        Raises:
            ModelNotAvailable: it asks for an input that is not known here, or gives something else.
        """
        unknown = sorted(set(inputs) - set(_INPUTS))
        if unknown or "input_ids" not in inputs:
            raise ModelNotAvailable(
                f"the ONNX graph of {name} asks for {', '.join(unknown) or 'no input_ids'};"
                f" rolevec feeds {', '.join(_INPUTS)}; load the model with torch instead"
            )
        found = next((output for output in wanted if output in outputs), None)
        if found is None:
            raise ModelNotAvailable(
                f"the ONNX graph of {name} gives {', '.join(outputs)};"
                f" expected one of {', '.join(wanted)}"
            )
        self._inputs, self.output = inputs, found


class GraphEncoder(TransformerEncoder):
    """An encoder whose token vectors come from a `Graph`; pooling and all else in numpy."""

    _graph: Graph

    def _use(self, graph: Graph) -> None:
        self._graph = graph
        self.device, self.precision = graph.device, graph.precision
        self.tolerance = TOLERANCE[graph.precision]
        self.parallel = graph.parallel
        self._token_budget = graph.token_budget

    def _forward(self, batch: list[Ids]) -> npt.NDArray[np.float32]:
        return self._pooled(self._graph, batch)

    def _pooled(self, graph: Graph, batch: list[Ids]) -> npt.NDArray[np.float32]:
        ids, mask = pad(batch, self._pad_id)
        vectors = graph(ids, mask)
        if graph.output in TEXT_OUTPUTS:
            return vectors
        assert self.card.pooling is not None  # read_folder does not return without one
        return self._apply_steps(pool(vectors, mask, self.card.pooling))

    def _token_rows(self, batch: list[Ids]) -> list[npt.NDArray[np.float32]]:
        if self._graph.output in TEXT_OUTPUTS:
            return super()._token_rows(batch)
        ids, mask = pad(batch, self._pad_id)
        vectors = self._graph(ids, mask)
        return [self._dense(rows[: len(ids)]) for rows, ids in zip(vectors, batch, strict=True)]

    def close(self) -> None:
        """See `BaseEncoder.close`; frees the weights."""
        super().close()
        self.__dict__.pop("_graph", None)


def graph_or_refuse(folder: str | Path, graph: Path | None) -> Path:
    """The ONNX file that `find_onnx` found.

    Raises:
        ModelNotAvailable: it found none.
    """
    if graph is None:
        raise ModelNotAvailable(
            f"{folder} has no ONNX file (model.onnx or onnx/model.onnx);"
            f' load it with torch: "torch:{folder}"'
        )
    return graph
