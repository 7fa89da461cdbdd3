"""A transformer folder's weights as an ONNX graph, for machines without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rolevec.encoders.folder import ONNX_FILES
from rolevec.encoders.onnx import OnnxEncoder
from rolevec.encoders.torch import TorchEncoder, example_inputs, quietly, token_module
from rolevec.errors import MissingExtra, ModelNotAvailable
from rolevec.roles import Role

_OPSET = 18
# A graph is one protobuf message, which ends at two gigabytes; beyond, weights stand beside it.
_MOST_INSIDE = 1_800_000_000
# Lowest cosine between a vector of the graph and one of torch.
_AGREEMENT = 0.9999
_PROBES = ("ok", "Die Bank am Fluss öffnet erst um neun Uhr.", "a longer text, of many words " * 9)
# Only token vectors are compared, so the folder need not know its prompts and its pooling.
_PLAIN: dict[str, Any] = {"device": "cpu", "prompts": {}, "pooling": "mean", "truncation": "end"}


def export_onnx(folder: str | Path, *, trust_remote_code: bool = False) -> Path:
    """Write model.onnx into a transformer folder, where `load_encoder` finds it before the weights.

    The graph takes any number of texts of any length, and gives token vectors. It is written only
    after ONNX Runtime has given the vectors that torch gives.

    Args:
        folder: in the layout of Hugging Face or sentence-transformers.
        trust_remote_code: run Python code that the folder brings along.

    Raises:
        MissingExtra: torch, onnxscript or ONNX Runtime is not installed.
        ModelNotAvailable: the folder cannot be loaded, or the graph does not agree with it.
    """
    reference = TorchEncoder(
        folder, precision="float32", trust_remote_code=trust_remote_code, **_PLAIN
    )
    graph = Path(folder) / ONNX_FILES[0]
    part = graph.with_name("part.onnx")
    try:
        _export(reference.model, part)
        _compare(reference, part)
        part.replace(graph)
    finally:
        part.unlink(missing_ok=True)
    return graph


def _export(model: Any, path: Path) -> None:
    import torch

    module, example = token_module(model), example_inputs()
    size = {0: torch.export.Dim("batch"), 1: torch.export.Dim("width")}
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    try:
        quietly(
            torch.onnx.export,
            module,
            kwargs=example,
            f=path,
            input_names=list(example),
            output_names=["last_hidden_state"],
            dynamic_shapes=dict.fromkeys(example, size),
            opset_version=_OPSET,
            dynamo=True,
            external_data=weights > _MOST_INSIDE,
            verbose=False,
        )
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "onnxscript", "train") from error


def _compare(reference: TorchEncoder, path: Path) -> None:
    with OnnxEncoder(path.parent, file=path.name, **_PLAIN) as ours:
        pairs = zip(*(e.encode(_PROBES, Role.DOCUMENT) for e in (ours, reference)), strict=True)
        lowest = min(float(np.dot(*pair)) for pair in pairs)
    if not lowest > _AGREEMENT:
        raise ModelNotAvailable(
            f"the ONNX graph of {reference.name} gives other vectors than torch (cosine"
            f" {lowest:.4f}); it was not kept"
        )
