"""Transformer encoders on torch and transformers, on any device torch knows."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rolevec.encoders.folder import has_safetensors, read_folder
from rolevec.encoders.graph import SCORE_OUTPUTS, Graph
from rolevec.encoders.pooling import pad
from rolevec.encoders.precision import TOLERANCE, Precision, check_precision
from rolevec.encoders.tokens import GPU_TOKEN_BUDGET, Ids
from rolevec.encoders.transformer import TransformerEncoder
from rolevec.errors import MissingExtra, ModelNotAvailable
from rolevec.models.card import ModelCard
from rolevec.truncation import TruncationPolicy

if TYPE_CHECKING:
    import torch

_PRECISIONS = ("auto", "float32", "bfloat16", "float16")


def torch_installed() -> bool:
    """True if torch and transformers can be imported; imports neither."""
    return find_spec("torch") is not None and find_spec("transformers") is not None


class TorchEncoder(TransformerEncoder):
    """A model folder with safetensors weights.

    Args:
        folder: in the layout of Hugging Face or sentence-transformers.
        prompts: templates that win over the folder's and the card's.
        dimensions: deliver this many leading coordinates, re-normalised.
        truncation: policy for over-long texts.
        device: "auto" (CUDA, then Apple's MPS, then CPU) or any device of torch.
        card: facts for what the folder leaves out.
        name: of the model; None takes the card's, else the folder's.
        revision: of the weights; None hashes them.
        pooling: for a folder that does not say.
        max_tokens: lowers the model's limit.
        precision: of the weights; "auto" is bfloat16 on CUDA devices that have it, else float32.
        trust_remote_code: run Python code that the folder brings along.

    Raises:
        MissingExtra: torch or transformers is not installed.
        ModelNotAvailable: a file is missing or unreadable, or the device is not there.
        MissingPrompts: the model's family needs prompts, and nobody gave any.
    """

    backend = "torch"
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
        precision: Precision = "auto",
        trust_remote_code: bool = False,
    ) -> None:
        if not has_safetensors(Path(folder)):
            raise ModelNotAvailable(
                f"{folder} has no model.safetensors; weights in pickled formats are not read"
            )
        facts: dict[str, Any] = {"prompts": prompts, "card": card, "name": name}
        facts |= {"pooling": pooling, "revision": revision, "max_tokens": max_tokens}
        loading = {"precision": precision, "trust_remote_code": trust_remote_code}
        super().__init__(
            read_folder(folder, **facts),
            dimensions=dimensions,
            truncation=truncation,
            options={**facts, "device": device, **loading},
        )
        self.device = _device(device)
        self.precision = _precision(precision, self.device)
        self.tolerance = TOLERANCE[self.precision]
        if self.device != "cpu":
            self._token_budget = GPU_TOKEN_BUDGET
            # While one batch computes, the next is put in line and on its way.
            self.parallel = 2
        self.model = _load(self._folder, self.device, self.precision, trust_remote_code)

    def _forward(self, batch: list[Ids]) -> npt.NDArray[np.float32]:
        return self.forward(batch)

    def forward(self, batch: list[Ids]) -> npt.NDArray[np.float32]:
        """Vectors (n, dim) of non-empty lists of token ids, as the model makes them."""
        torch = _import_torch()
        ids, mask = pad(batch, self._pad_id)
        with torch.inference_mode():
            on_device = move(mask, self.device)
            # Without padding no mask is needed, and attention takes its fastest form.
            masked = None if mask.all() else on_device
            output = self.model(input_ids=move(ids, self.device), attention_mask=masked)
            pooled = self._pool(output.last_hidden_state, on_device)
            vectors = pooled.float().cpu().numpy()
        return self._apply_steps(np.asarray(vectors, dtype=np.float32))

    def _token_rows(self, batch: list[Ids]) -> list[npt.NDArray[np.float32]]:
        ids, mask = pad(batch, self._pad_id)
        with _import_torch().inference_mode():
            fed = {"input_ids": move(ids, self.device), "attention_mask": move(mask, self.device)}
            vectors = self.model(**fed).last_hidden_state.float().cpu().numpy()
        return [self._dense(rows[: len(ids)]) for rows, ids in zip(vectors, batch, strict=True)]

    def _pool(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """As `rolevec.encoders.pooling.pool`, on the device: only (n, dim) has to leave it."""
        if self.card.pooling == "cls":
            return tokens[:, 0]
        lengths = mask.sum(dim=1)
        if self.card.pooling == "lasttoken":
            return tokens[_import_torch().arange(len(tokens), device=tokens.device), lengths - 1]
        weighted = tokens.float() * mask.unsqueeze(-1)
        return weighted.sum(dim=1) / lengths.unsqueeze(-1)

    def close(self) -> None:
        """See `BaseEncoder.close`; frees the weights."""
        super().close()
        self.__dict__.pop("model", None)


def _import_torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("torch", "torch") from error
    return torch


def _device(asked: str) -> str:
    torch = _import_torch()
    if asked == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(1, device=asked)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ModelNotAvailable(f"device={asked!r} cannot be used: {reason}") from error
    return asked


def _precision(asked: str, device: str) -> str:
    asked = check_precision(asked, "torch", _PRECISIONS)
    if asked != "auto":
        return asked
    if device.startswith("cuda") and _import_torch().cuda.is_bf16_supported():
        return "bfloat16"
    return "float32"


def move(array: npt.NDArray[Any], device: str) -> torch.Tensor:
    """A tensor on a device; to a GPU from pinned memory, so that nobody waits for the copy."""
    tensor: torch.Tensor = _import_torch().from_numpy(array)
    if device.startswith("cuda"):
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def token_module(model: Any) -> Any:
    """A torch module that takes ids and mask and returns token vectors, for tracing and export."""
    return _traceable(model, "last_hidden_state")


def score_module(scores: TorchScores) -> Any:
    """As `token_module`; takes token types where the model has them, and returns scores."""
    return _traceable(scores.model, SCORE_OUTPUTS[0])


def _traceable(model: Any, output: str) -> Any:
    """A module whose attention is written out: converters know that form best."""
    torch = _import_torch()
    if hasattr(model, "set_attn_implementation"):
        model.set_attn_implementation("eager")

    class Traceable(torch.nn.Module):  # type: ignore[misc, name-defined]
        """The model without what else it returns."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None) -> Any:
            types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
            found = self.model(input_ids=input_ids, attention_mask=attention_mask, **types)
            return found[output]

    return Traceable().eval()


def example_inputs(*, types: bool = False) -> dict[str, torch.Tensor]:
    """Two texts of seven tokens, for a traceable module.

    Args:
        types: with token types, of which there are two.
    """
    torch = _import_torch()
    example = {n: torch.ones(2, 7, dtype=torch.int64) for n in ("input_ids", "attention_mask")}
    if types:
        example["token_type_ids"] = torch.tensor([[0, 0, 0, 1, 1, 1, 1]] * 2)
    return example


def quietly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Tracers and exporters warn of their own insides, in every run."""
    logs = [logging.getLogger(name) for name in ("torch.onnx", "transformers")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*args, **kwargs)
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


class TorchScores(Graph):
    """A cross-encoder on torch.

    Args:
        folder: with safetensors weights.
        device: "auto" (CUDA, then Apple's MPS, then CPU) or any device of torch.
        precision: as for `TorchEncoder`.
        trust_remote_code: run Python code that the folder brings along.
    """

    backend = "torch"
    output = SCORE_OUTPUTS[0]

    def __init__(
        self,
        folder: Path,
        *,
        device: str = "auto",
        precision: str = "auto",
        trust_remote_code: bool = False,
    ) -> None:
        self.device = _device(device)
        self.precision = _precision(precision, self.device)
        self.parallel = 1 if self.device == "cpu" else 2
        self.model = _load(folder, self.device, self.precision, trust_remote_code, pairs=True)
        self.typed = (getattr(self.model.config, "type_vocab_size", 0) or 0) > 1
        names = ("input_ids", "attention_mask", *(("token_type_ids",) if self.typed else ()))
        self._inputs = dict.fromkeys(names, np.int64)

    def _run(self, feed: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        with _import_torch().inference_mode():
            tensors = {name: move(array, self.device) for name, array in feed.items()}
            return np.asarray(self.model(**tensors).logits.float().cpu().numpy())


def _load(
    folder: Path, device: str, precision: str, trust_remote_code: bool, *, pairs: bool = False
) -> Any:
    torch = _import_torch()
    try:
        import transformers
    except ImportError as error:
        raise MissingExtra("transformers", "torch") from error
    settings = {"local_files_only": True, "trust_remote_code": trust_remote_code}
    try:
        config = transformers.AutoConfig.from_pretrained(folder, **settings)
        # Of an encoder-decoder like T5 only the first half makes vectors.
        auto: Any = (
            transformers.AutoModelForTextEncoding
            if getattr(config, "is_encoder_decoder", False)
            else transformers.AutoModel
        )
        if pairs:
            auto = transformers.AutoModelForSequenceClassification
        with no_progress_bar():
            model = auto.from_pretrained(folder, config=config, use_safetensors=True, **settings)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelNotAvailable(f"transformers cannot load {folder}: {error}") from error
    if hasattr(model.config, "use_cache"):
        model.config.use_cache = False  # keys and values are of no use after one pass
    return model.to(device=device, dtype=getattr(torch, precision)).eval()


@contextmanager
def no_progress_bar() -> Iterator[None]:
    """Loading from disk is quick; a bar on standard error would be noise in every program."""
    from transformers.utils import logging as module

    logging: Any = module  # its functions carry no types
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
