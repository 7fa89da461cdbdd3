"""Transformer encoders and other graphs on OpenVINO, on the processor."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from rolevec.encoders.alone import Alone, Feed, Run
from rolevec.encoders.batching import processors, streams
from rolevec.encoders.folder import find_onnx, read_folder
from rolevec.encoders.graph import TEXT_OUTPUTS, TOKEN_OUTPUTS, Graph, GraphEncoder
from rolevec.encoders.precision import AGREEMENT, Forward, Precision, check_precision, lowest_cosine
from rolevec.encoders.torch import TorchEncoder, example_inputs, quietly, token_module
from rolevec.errors import MissingExtra, ModelNotAvailable
from rolevec.models.card import ModelCard
from rolevec.truncation import TruncationPolicy

PRECISIONS = ("auto", "float32", "bfloat16")
_HINTS = {"float32": "f32", "bfloat16": "bf16"}
_INTEGERS = {"i32": np.int32}
# Bytes of a graph that may be compiled a second time, see `Alone`: tables of tokens are shared
# then, and the other weights held twice.
_SMALL = 1 << 29


def openvino_installed() -> bool:
    """True if OpenVINO can be imported; does not import it."""
    return find_spec("openvino") is not None


def openvino_suits() -> bool:
    """True where OpenVINO is installed and was found to be faster than ONNX Runtime: on x86-64."""
    return openvino_installed() and platform.machine().lower() in ("x86_64", "amd64")


class OpenVinoEncoder(GraphEncoder):
    """A model folder with an ONNX file, or with safetensors weights that torch can load.

    Args:
        folder: in the layout of Hugging Face or sentence-transformers.
        prompts: templates that win over the folder's and the card's.
        dimensions: deliver this many leading coordinates, re-normalised.
        truncation: policy for over-long texts.
        device: "auto" or "cpu".
        card: facts for what the folder leaves out.
        name: of the model; None takes the card's, else the folder's.
        revision: of the weights; None hashes them.
        pooling: for a folder that does not say.
        max_tokens: lowers the model's limit.
        file: another ONNX file of the folder.
        threads: at work at once; None takes the processors this process may use. A graph of up to
            512 MiB is compiled a second time when texts come one by one, and its weights but for
            the table of tokens are held twice: all threads then share each of these texts.
        precision: of the arithmetic. "auto" is bfloat16 if the processor has instructions for it
            and the model's vectors stay within a cosine of 0.999, which is tried, else float32. It
            is not the default because in bfloat16 a vector depends a little on the texts beside it.

    Raises:
        MissingExtra: OpenVINO is not installed, or torch where there is no ONNX file.
        ModelNotAvailable: a file is missing or unreadable, the graph cannot be fed, or its vectors
            are not those of torch.
        MissingPrompts: the model's family needs prompts, and nobody gave any.
    """

    backend = "openvino"
    precisions = PRECISIONS

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
        precision: Precision = "float32",
    ) -> None:
        if device not in ("auto", "cpu"):
            raise ValueError(f"device={device!r}: OpenVINO is used on the CPU")
        precision_ = check_precision(precision, "OpenVINO", PRECISIONS)
        graph = find_onnx(Path(folder), file)
        facts: dict[str, Any] = {"prompts": prompts, "card": card, "name": name}
        facts |= {"pooling": pooling, "revision": revision, "max_tokens": max_tokens}
        running = {"device": device, "threads": threads, "precision": precision}
        super().__init__(
            read_folder(folder, graph=graph, **facts),
            dimensions=dimensions,
            truncation=truncation,
            options={**facts, "file": file, **running},
        )
        if graph:
            model, reference = read_graph(graph), None
        else:
            facts["revision"] = self.card.revision  # so that nobody hashes the weights again
            plain = TorchEncoder(folder, device="cpu", precision="float32", **facts)
            model, reference = convert(token_module(plain.model)), plain.forward
        wanted = (*TOKEN_OUTPUTS, *TEXT_OUTPUTS)
        opened = partial(OpenVinoGraph, model, self.name, wanted, threads=threads)
        self._use(self._fitting(lambda kind: opened(precision=kind), precision_, reference))

    def _fitting(
        self, opened: Callable[[str], Graph], precision: str, reference: Forward | None
    ) -> Graph:
        """The graph in the precision asked for, or the fastest whose vectors are near enough.

        Args:
            opened: opens the graph in a precision.
            precision: "auto" tries.
            reference: what the vectors should be; None trusts the last precision that is tried.
        """
        kinds = [precision]
        if precision == "auto":
            kinds = ["bfloat16", "float32"] if computes_bfloat16() else ["float32"]
        trusted = None
        if reference is None:
            trusted = kinds.pop()
            if not kinds:
                return opened(trusted)
            # Closed again before the next is opened: of a large model, two would not fit.
            reference = partial(self._pooled, opened(trusted))
        probes = self._probes()
        wanted = [reference(batch) for batch in probes]
        del reference
        for kind in kinds:
            graph = opened(kind)
            if lowest_cosine([self._pooled(graph, batch) for batch in probes], wanted) > AGREEMENT:
                return graph
        if trusted is not None:
            return opened(trusted)
        raise ModelNotAvailable(
            f"{self.name} gives other vectors on OpenVINO than on torch; load it with torch:"
            f' "torch:{self._folder}"'
        )


class OpenVinoGraph(Graph):
    """A graph on OpenVINO; calls from ``parallel`` threads run beside each other.

    Args:
        model: of `read_graph` or `convert`.
        name: of the model, for messages.
        wanted: names of outputs, the first that is there is taken.
        threads: at work at once; None takes the processors this process may use.
        precision: "float32" or "bfloat16".

    Raises:
        ModelNotAvailable: the graph cannot be compiled, or cannot be fed.
    """

    backend = "openvino"
    device = "cpu"

    def __init__(
        self,
        model: Any,
        name: str,
        wanted: Sequence[str],
        *,
        threads: int | None = None,
        precision: str = "float32",
    ) -> None:
        self.precision = precision
        threads = threads or processors()
        compiled = _compiled(model, name, precision, threads, streams(threads))
        self.parallel = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        inputs = {
            i.get_any_name(): _INTEGERS.get(i.get_element_type().get_type_name(), np.int64)
            for i in compiled.inputs
        }
        outputs = {name: n for n, o in enumerate(compiled.outputs) for name in o.get_names()}
        self._settle(name, inputs, list(outputs), wanted)
        place = outputs[self.output]

        def opened() -> Run:
            return _requests(_compiled(model, name, precision, threads, 1), 1, place)

        gains = self.parallel > 1 and _weights(model) <= _SMALL
        self._alone = Alone(_requests(compiled, self.parallel, place), opened if gains else None)

    def _run(self, feed: Feed) -> npt.NDArray[np.float32]:
        return self._alone(feed, len(feed["input_ids"]))


def _compiled(model: Any, name: str, precision: str, threads: int, streams: int) -> Any:
    settings = {
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": streams,
        "ENABLE_CPU_PINNING": False,  # the machine may not be ours alone
    }
    try:
        return _openvino().Core().compile_model(model, "CPU", settings)
    except RuntimeError as error:
        raise ModelNotAvailable(f"OpenVINO cannot compile {name}: {error}") from error


def _requests(compiled: Any, count: int, place: int) -> Run:
    """Calls of a compiled model, ``count`` at once; the others wait."""
    idle: SimpleQueue[Any] = SimpleQueue()
    for _ in range(count):
        idle.put(compiled.create_infer_request())

    def run(feed: Feed) -> npt.NDArray[np.float32]:
        request = idle.get()
        try:
            request.infer(dict(feed), share_inputs=True)
            # A copy, for the request's memory is used again.
            return np.array(request.get_output_tensor(place).data, dtype=np.float32)
        finally:
            idle.put(request)

    return run


def _weights(model: Any) -> int:
    """Bytes of a graph's constants."""
    return sum(op.data.nbytes for op in model.get_ops() if op.get_type_name() == "Constant")


def read_graph(path: Path) -> Any:
    """Read an ONNX file.

    Raises:
        MissingExtra: OpenVINO is not installed.
        ModelNotAvailable: it cannot be read.
    """
    try:
        return _openvino().Core().read_model(path)
    except RuntimeError as error:
        raise ModelNotAvailable(f"OpenVINO cannot read {path}: {error}") from error


def convert(
    module: Any, example: Mapping[str, Any] | None = None, output: str = TOKEN_OUTPUTS[0]
) -> Any:
    """The graph of a torch module that takes ids and mask and returns one tensor.

    Args:
        module: to be traced.
        example: its arguments; None takes ids and mask.
        output: the name that the tensor gets.

    Raises:
        MissingExtra: OpenVINO is not installed.
        ModelNotAvailable: it cannot be converted.
    """
    openvino = _openvino()
    try:
        model = quietly(
            openvino.convert_model, module, example_input=dict(example or example_inputs())
        )
    except Exception as error:  # whatever the model's own code raises when it is traced
        raise ModelNotAvailable(f"OpenVINO cannot convert the model: {error}") from error
    model.outputs[0].get_tensor().set_names({output})
    return model


def computes_bfloat16() -> bool:
    """True if the processor has instructions for bfloat16 (AVX512-BF16 or AMX)."""
    return "BF16" in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _openvino() -> Any:
    try:
        import openvino  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtra("openvino", "openvino") from error
    return openvino
