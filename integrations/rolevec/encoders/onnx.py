"""Transformer encoders on ONNX Runtime; pooling and all else in numpy."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rolevec.encoders.folder import find_onnx, read_folder
from rolevec.encoders.pooling import pad, pool
from rolevec.encoders.tokens import GPU_TOKEN_BUDGET, Ids
from rolevec.encoders.transformer import TransformerEncoder
from rolevec.errors import MissingExtra, ModelNotAvailable
from rolevec.models.card import ModelCard
from rolevec.truncation import TruncationPolicy

_TOKEN_OUTPUTS = ("last_hidden_state", "token_embeddings")
_TEXT_OUTPUTS = ("sentence_embedding", "sentence_embeddings")
_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")


def onnxruntime_installed() -> bool:
    """True if ONNX Runtime can be imported; does not import it."""
    return find_spec("onnxruntime") is not None


class OnnxEncoder(TransformerEncoder):
    """A model folder with an ONNX file (model.onnx or onnx/model.onnx).

    Token vectors are pooled here; a graph that only gives a finished ``sentence_embedding`` is
    taken at its word.

    Args:
        folder: in the layout of Hugging Face or sentence-transformers.
        prompts: templates that win over the folder's and the card's.
        dimensions: deliver this many leading coordinates, re-normalised.
        truncation: policy for over-long texts.
        device: "auto" (CUDA if this ONNX Runtime has it), "cpu", "cuda" or "cuda:N".
        card: facts for what the folder leaves out.
        name: of the model; None takes the card's, else the folder's.
        revision: of the weights; None hashes them.
        pooling: for a folder that does not say.
        max_tokens: lowers the model's limit.
        file: another ONNX file of the folder, say a quantised one.
        threads: for one forward pass; None takes the processors this process may use.

    Raises:
        MissingExtra: ONNX Runtime is not installed.
        ModelNotAvailable: a file is missing or unreadable, or the graph cannot be fed.
        MissingPrompts: the model's family needs prompts, and nobody gave any.
    """

    backend = "onnx"

    def __init__(
        self,
        folder: str | Path,
        *,
        prompts: Mapping[str, str] | None = None,
        dimensions: int | None = None,
        truncation: TruncationPolicy = "warn",
        device: str = "auto",
        card: ModelCard | None = None,
        name: str | None = None,
        revision: str | None = None,
        pooling: str | None = None,
        max_tokens: int | None = None,
        file: str | None = None,
        threads: int | None = None,
    ) -> None:
        graph = find_onnx(Path(folder), file)
        if graph is None:
            raise ModelNotAvailable(
                f"{folder} has no ONNX file (model.onnx or onnx/model.onnx);"
                f' load it with torch: "torch:{folder}"'
            )
        facts: dict[str, Any] = {"prompts": prompts, "card": card, "name": name}
        facts |= {"pooling": pooling, "revision": revision, "max_tokens": max_tokens}
        super().__init__(
            read_folder(folder, graph=graph, **facts),
            dimensions=dimensions,
            truncation=truncation,
            options={**facts, "device": device, "file": file, "threads": threads},
        )
        self._session = _open(graph, device, threads)
        self.device = "cuda" if "CUDA" in self._session.get_providers()[0] else "cpu"
        if self.device == "cuda":
            self._token_budget = GPU_TOKEN_BUDGET
        self._inputs = self._check_inputs()
        self._output = self._choose_output()

    def _check_inputs(self) -> dict[str, npt.DTypeLike]:
        """Inputs of the graph and their integer types."""
        inputs = {i.name: i.type for i in self._session.get_inputs()}
        unknown = sorted(set(inputs) - set(_INPUTS))
        if unknown or "input_ids" not in inputs:
            raise ModelNotAvailable(
                f"the ONNX graph of {self.name} asks for {', '.join(unknown) or 'no input_ids'};"
                f" rolevec feeds {', '.join(_INPUTS)}; load the model with torch instead"
            )
        return {
            name: np.int32 if kind == "tensor(int32)" else np.int64 for name, kind in inputs.items()
        }

    def _choose_output(self) -> str:
        outputs = [output.name for output in self._session.get_outputs()]
        for name in (*_TOKEN_OUTPUTS, *_TEXT_OUTPUTS):
            if name in outputs:
                return name
        raise ModelNotAvailable(
            f"the ONNX graph of {self.name} gives {', '.join(outputs)};"
            f" expected one of {', '.join((*_TOKEN_OUTPUTS, *_TEXT_OUTPUTS))}"
        )

    def _forward(self, batch: list[Ids]) -> npt.NDArray[np.float32]:
        ids, mask = pad(batch, self._pad_id)
        (output,) = self._session.run([self._output], self._feed(ids, mask))
        vectors = np.asarray(output, dtype=np.float32)
        if self._output in _TEXT_OUTPUTS:
            return vectors
        assert self.card.pooling is not None  # read_folder does not return without one
        return self._apply_steps(pool(vectors, mask, self.card.pooling))

    def _feed(
        self, ids: npt.NDArray[np.int64], mask: npt.NDArray[np.int64]
    ) -> dict[str, npt.NDArray[Any]]:
        values = {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(ids),
            "position_ids": np.broadcast_to(np.arange(ids.shape[1]), ids.shape),
        }
        return {
            name: np.ascontiguousarray(values[name], dtype=dtype)
            for name, dtype in self._inputs.items()
        }

    def close(self) -> None:
        """See `BaseEncoder.close`; frees the session."""
        super().close()
        self.__dict__.pop("_session", None)


def _open(graph: Path, device: str, threads: int | None) -> Any:
    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtra("onnxruntime", "onnx") from error
    providers = _providers(device, onnxruntime.get_available_providers())
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads or _processors()
    options.log_severity_level = 3  # its warnings are about graph details
    try:
        session = onnxruntime.InferenceSession(str(graph), options, providers=providers)
    except Exception as error:  # the binding raises classes of its own that it does not export
        raise ModelNotAvailable(f"ONNX Runtime cannot open {graph}: {error}") from error
    if device.startswith("cuda") and "CUDAExecutionProvider" not in session.get_providers():
        raise ModelNotAvailable(
            f"device={device!r}: ONNX Runtime fell back to {session.get_providers()[0]};"
            " its CUDA libraries could not be loaded"
        )
    return session


def _providers(device: str, available: Sequence[str]) -> list[Any]:
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (number and not number.isdigit()):
        raise ValueError(f"device={device!r}: ONNX Runtime runs on auto, cpu, cuda or cuda:N")
    cuda = "CUDAExecutionProvider" in available
    if kind == "cuda" and not cuda:
        raise ModelNotAvailable(
            f"device={device!r}: this ONNX Runtime has {', '.join(available)};"
            ' install onnxruntime-gpu, or load with torch ("torch:…")'
        )
    cpu = "CPUExecutionProvider"
    if kind == "cpu" or not cuda:
        return [cpu]
    return [("CUDAExecutionProvider", {"device_id": int(number or 0)}), cpu]


def _processors() -> int:
    """Processors this process may use, which a container or taskset can make fewer than all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
