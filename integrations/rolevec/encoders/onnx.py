"""Transformer encoders and other graphs on ONNX Runtime."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from rolevec.encoders.alone import Alone, Feed, Run
from rolevec.encoders.batching import processors, streams
from rolevec.encoders.folder import find_onnx, read_folder
from rolevec.encoders.graph import (
    TEXT_OUTPUTS,
    TOKEN_OUTPUTS,
    Graph,
    GraphEncoder,
    graph_or_refuse,
)
from rolevec.encoders.precision import Precision, check_precision
from rolevec.errors import MissingExtra, ModelNotAvailable
from rolevec.models.card import ModelCard
from rolevec.truncation import TruncationPolicy

_PRECISIONS = ("auto", "float32", "int8")
_TYPES = {"tensor(int32)": np.int32}
# Bytes of a graph that may be opened a second time, see `Alone`; each session has its own weights.
_SMALL = 1 << 27


def onnxruntime_installed() -> bool:
    """True if ONNX Runtime can be imported; does not import it."""
    return find_spec("onnxruntime") is not None


class OnnxEncoder(GraphEncoder):
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
        threads: at work at once; None takes the processors this process may use. A graph of up to
            128 MiB is opened a second time, and held twice, when texts come one by one: all threads
            then share each of them.
        precision: "float32", which "auto" means here; or "int8", whose weights are rounded when the
            model is loaded: fast where the processor has instructions for it, and lossy.

    Raises:
        MissingExtra: ONNX Runtime is not installed.
        ModelNotAvailable: a file is missing or unreadable, or the graph cannot be fed.
        MissingPrompts: the model's family needs prompts, and nobody gave any.
    """

    backend = "onnx"
    precisions = _PRECISIONS

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
        precision: Precision = "auto",
    ) -> None:
        graph = graph_or_refuse(folder, find_onnx(Path(folder), file))
        facts: dict[str, Any] = {"prompts": prompts, "card": card, "name": name}
        facts |= {"pooling": pooling, "revision": revision, "max_tokens": max_tokens}
        running: dict[str, Any] = {"device": device, "threads": threads, "precision": precision}
        super().__init__(
            read_folder(folder, graph=graph, **facts),
            dimensions=dimensions,
            truncation=truncation,
            options={**facts, "file": file, **running},
        )
        self._use(OnnxGraph(graph, self.name, (*TOKEN_OUTPUTS, *TEXT_OUTPUTS), **running))


class OnnxGraph(Graph):
    """A graph on ONNX Runtime.

    Args:
        path: of the file.
        name: of the model, for messages.
        wanted: names of outputs, the first that is there is taken.
        device: "auto" (CUDA if this ONNX Runtime has it), "cpu", "cuda" or "cuda:N".
        threads: at work at once; None takes the processors this process may use.
        precision: as for `OnnxEncoder`.

    Raises:
        MissingExtra: ONNX Runtime is not installed.
        ModelNotAvailable: the file cannot be opened, or the graph cannot be fed.
    """

    backend = "onnx"

    def __init__(
        self,
        path: Path,
        name: str,
        wanted: Sequence[str],
        *,
        device: str = "auto",
        threads: int | None = None,
        precision: str = "auto",
    ) -> None:
        precision = check_precision(precision, "ONNX Runtime", _PRECISIONS)
        self.precision = "int8" if precision == "int8" else "float32"
        with _rounded(path) if self.precision == "int8" else nullcontext(path) as file:
            threads = threads or processors()
            # Callers compute too, each beside the pool, whose size includes one of them.
            session = _open(file, device, threads - streams(threads) + 1)
        self.device = "cuda" if "CUDA" in session.get_providers()[0] else "cpu"
        self.parallel = 2 if self.device == "cuda" else streams(threads)
        inputs = {i.name: _TYPES.get(i.type, np.int64) for i in session.get_inputs()}
        self._settle(name, inputs, [o.name for o in session.get_outputs()], wanted)
        output = self.output

        def opened() -> Run:
            return _calls(_open(path, "cpu", threads), output)

        gains = self.device == "cpu" and self.parallel > 1 and _weights(path) <= _SMALL
        # The file of a rounded graph is gone by then.
        again = gains and self.precision == "float32"
        self._alone = Alone(_calls(session, output), opened if again else None)

    def _run(self, feed: Feed) -> npt.NDArray[np.float32]:
        return self._alone(feed, len(feed["input_ids"]))


def _calls(session: Any, output: str) -> Run:
    def run(feed: Feed) -> npt.NDArray[np.float32]:
        (found,) = session.run([output], dict(feed))
        return np.asarray(found, dtype=np.float32)

    return run


def _weights(path: Path) -> int:
    """Bytes of a graph, with the files of weights beside it (model.onnx_data, model.onnx.data)."""
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


@contextmanager
def _rounded(path: Path) -> Iterator[Path]:
    """The graph with int8 weights; what runs through it is rounded on the way."""
    try:
        from onnxruntime.quantization import (  # type: ignore[import-untyped]
            QuantType,
            quantize_dynamic,
        )
    except ImportError as error:
        raise MissingExtra(error.name or "onnx", "train") from error
    with TemporaryDirectory(prefix="rolevec-int8-") as folder:
        file = Path(folder) / "model.onnx"
        # Before and after, it advises on standard error to prepare the graph.
        log = logging.getLogger()
        level = log.level
        log.setLevel(logging.ERROR)
        try:
            quantize_dynamic(path, file, per_channel=True, weight_type=QuantType.QInt8)
        finally:
            log.setLevel(level)
        yield file


def _open(graph: Path, device: str, threads: int) -> Any:
    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtra("onnxruntime", "onnx") from error
    providers = _providers(device, onnxruntime.get_available_providers())
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads
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
