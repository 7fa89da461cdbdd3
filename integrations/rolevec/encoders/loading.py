"""`load_encoder`: from a name, a folder or "scheme:…" to an encoder."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from rolevec.encoders.base import BaseEncoder
from rolevec.encoders.batching import nvidia_present
from rolevec.encoders.caching import CachedEncoder, default_cache
from rolevec.encoders.checks import prove_roles
from rolevec.encoders.folder import ModelFolder, find_onnx, has_safetensors, read_folder
from rolevec.encoders.onnx import OnnxEncoder, onnxruntime_installed
from rolevec.encoders.openvino import OpenVinoEncoder, openvino_suits
from rolevec.encoders.protocol import Encoder
from rolevec.encoders.static import StaticEncoder, is_static_folder
from rolevec.encoders.torch import TorchEncoder, torch_installed
from rolevec.encoders.transformer import TransformerEncoder
from rolevec.errors import MissingExtra, ModelNotAvailable, UnknownModel
from rolevec.models.bundled import light_folder
from rolevec.models.hub import download
from rolevec.models.registry import find_card, suggest
from rolevec.truncation import TruncationPolicy

EncoderFactory: TypeAlias = Callable[..., Encoder]

_LIGHT = ("light", "embed-light")
# One letter before the colon is a Windows drive.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(.+)", re.DOTALL)
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_CONFIG_FILES = ("*.json", "*/config.json", "*_Dense/model.safetensors")
_ONNX_FILES = ("model.onnx*", "onnx/model.onnx*")
_WEIGHT_FILES = ("model.safetensors", "model-*.safetensors")
_CODE_FILES = ("*.py",)


def load_encoder(
    model: str | Path,
    *,
    prompts: Mapping[str, str] | None = None,
    dimensions: int | None = None,
    truncation: TruncationPolicy = "warn",
    device: str = "auto",
    cache: bool | str | Path | None = None,
    **options: Any,
) -> Encoder:
    """Load an encoder.

    Args:
        model: "light" (in the package, offline); a known name or alias such as
            "embed-multilingual-v3.0"; "org/name" on the Hugging Face hub; a folder; or a scheme:
            "static:…", "onnx:…", "openvino:…", "torch:…" force that backend for a folder or name;
            "cohere:MODEL", "openai:MODEL", "tei:URL" ask an endpoint; others are added with
            `register_encoder`.
        prompts: role -> template; wins over the model's own, role by role.
        dimensions: deliver this many leading coordinates, re-normalised.
        truncation: what happens to over-long texts: "warn", "end", "start", "error" or "split".
        device: "auto", "cpu", "cuda", "cuda:1", …
        cache: keep vectors on disk: True in the user's cache folder, a path in that file.
        **options: ``revision``, ``pooling``, ``max_tokens`` and ``precision`` ("auto", "float32",
            "bfloat16", "float16", "int8", as far as the backend has it; on a processor float32 if
            not said, and "auto" the fastest that moves no vector noticeably) for transformers;
            ``file`` and ``threads`` for ONNX files; ``trust_remote_code`` for torch; for endpoints
            ``api_key``, ``base_url``, ``timeout``, ``max_retries``, ``requests_per_minute``,
            ``tokens_per_minute``, ``on_usage`` and more, see `encoders.remote.connection`.

    Raises:
        UnknownModel: nothing answers to that name; near names are given.
        ModelNotAvailable: the model is known, its files are neither here nor to be had.
        MissingExtra: the backend's package is not installed.
        MissingPrompts: the model needs prompts that nobody gave, or its prompts have no effect.
    """
    common = {
        "prompts": prompts,
        "dimensions": dimensions,
        "truncation": truncation,
        "device": device,
    }
    encoder = _resolve(model, {**common, **options})
    if isinstance(encoder, BaseEncoder):
        prove_roles(encoder)
    if cache is None or cache is False:
        return encoder
    return CachedEncoder(encoder, default_cache() if cache is True else cache)


def register_encoder(scheme: str, factory: EncoderFactory) -> None:
    """Make ``load_encoder("scheme:rest", …)`` return ``factory(rest, …)``.

    The factory gets ``prompts``, ``dimensions``, ``truncation``, ``device`` and the caller's other
    options as keywords. Registering a scheme again replaces it.

    Raises:
        ValueError: the scheme is not two or more letters, digits, "+", "." or "-".
    """
    if not _SCHEME.fullmatch(f"{scheme}:x"):
        raise ValueError(
            f"scheme {scheme!r}: use two or more letters, digits, '+', '.' or '-', letter first"
        )
    _SCHEMES[scheme.lower()] = factory


def find_folder(
    model: str | Path, *, prompts: Mapping[str, str] | None = None, pooling: str | None = None
) -> ModelFolder:
    """The folder of a transformer model, fetched if need be, with what it says but the weights.

    Args:
        model: a known name, "org/name" or a folder, as for `load_encoder`.
        prompts: role -> template; wins over the model's own, role by role.
        pooling: "mean", "cls" or "lasttoken", for a folder that does not say.

    Raises:
        UnknownModel, ModelNotAvailable, MissingPrompts: as `load_encoder`.
    """
    folder, facts = _fetch(model, {}, _WEIGHT_FILES)
    if is_static_folder(folder):
        raise ModelNotAvailable(f"{folder} holds a static model, not a transformer")
    return read_folder(folder, prompts=prompts, pooling=pooling, **facts)


def _resolve(model: str | Path, options: dict[str, Any]) -> Encoder:
    if isinstance(model, str):
        match = _SCHEME.fullmatch(model)
        if match and not Path(model).is_dir():
            factory = _SCHEMES.get(match[1].lower())
            if factory is None:
                raise UnknownModel(
                    f"no backend answers to {match[1] + ':'!r} in {model!r};"
                    f" there are {', '.join(f'{s}:' for s in sorted(_SCHEMES))}"
                )
            return factory(match[2], **options)
    return _load_any(model, **options)


def _load_any(model: str | Path, **options: Any) -> Encoder:
    """Choose the backend by what the folder holds and what is installed."""
    folder, facts = _find(model, options)
    if is_static_folder(folder):
        return _load_static(model, **options)
    *preferred, last = backends(folder, options)
    for backend in preferred:
        # What one cannot read another may; if none can, the last one says why.
        with suppress(ModelNotAvailable):
            return _make(_ENCODERS[backend], folder, {**options, **facts})
    return _make(_ENCODERS[last], folder, {**options, **facts})


def find_files(model: str | Path, options: Mapping[str, Any]) -> tuple[Path, str | None]:
    """The folder of a transformer model, fetched if need be, and its name if that is not its own.

    Args:
        model: a known name, "org/name" or a folder.
        options: of `load_encoder`, which decide between an ONNX file and weights.

    Raises:
        UnknownModel, ModelNotAvailable: as `load_encoder`.
    """
    folder, facts = _find(model, options)
    return folder, facts.get("name")


def _find(model: str | Path, options: Mapping[str, Any]) -> tuple[Path, dict[str, Any]]:
    """`_fetch` with an ONNX file if there is one and something to run it, else with weights."""
    wants_onnx = _runs_onnx() and not _asks_for_torch(options)
    folder, facts = _fetch(model, options, _onnx_files(options) if wants_onnx else _WEIGHT_FILES)
    if wants_onnx and not is_static_folder(folder) and not find_onnx(folder, options.get("file")):
        folder, facts = _fetch(model, options, _WEIGHT_FILES)
    return folder, facts


def backends(folder: Path, options: Mapping[str, Any]) -> list[str]:
    """What can run a transformer folder here, the fastest first.

    Args:
        folder: with an ONNX file, safetensors weights or both.
        options: ``device``, ``file``, ``precision`` and ``trust_remote_code`` of `load_encoder`.

    Raises:
        MissingExtra: what could run it is not installed.
        ModelNotAvailable: there is nothing to run.
    """
    has_onnx = options.get("file") is not None or find_onnx(folder) is not None
    by_torch = has_safetensors(folder) and torch_installed()
    found: list[str] = []
    if not _asks_for_torch(options):
        # From torch weights only where no other device could do better.
        if openvino_suits() and _on_processor(options) and (has_onnx or by_torch):
            found.append("openvino")
        if has_onnx and onnxruntime_installed():
            found.append("onnx")
    precision = options.get("precision") or "float32"
    able = [name for name in found if precision in _ENCODERS[name].precisions]
    if by_torch and (not able or not has_onnx):
        able.append("torch")
    if able or found:
        return able or found  # the last one will say what it computes in
    if has_onnx and not _asks_for_torch(options):
        raise MissingExtra("onnxruntime", "onnx")
    if has_safetensors(folder):
        raise MissingExtra("torch", "torch")
    raise ModelNotAvailable(
        f"{folder} holds neither an ONNX file nor model.safetensors;"
        " weights in pickled formats are not read"
    )


def _runs_onnx() -> bool:
    return onnxruntime_installed() or openvino_suits()


def _on_processor(options: Mapping[str, Any]) -> bool:
    device = options.get("device")
    return device == "cpu" or (device == "auto" and not nvidia_present())


def _asks_for_torch(options: Mapping[str, Any]) -> bool:
    return bool(options.get("trust_remote_code")) or options.get("precision") == "float16"


def _load_static(model: str | Path, **options: Any) -> Encoder:
    folder, facts = _fetch(model, options, _WEIGHT_FILES)
    if facts:
        options.pop("revision", None)  # said which files to fetch; the files know their own
    return _make(StaticEncoder, folder, options)


def _load_onnx(model: str | Path, **options: Any) -> Encoder:
    folder, facts = _fetch(model, options, _onnx_files(options))
    return _make(OnnxEncoder, folder, {**options, **facts})


def _load_openvino(model: str | Path, **options: Any) -> Encoder:
    folder, facts = _find(model, options)
    return _make(OpenVinoEncoder, folder, {**options, **facts})


def _load_torch(model: str | Path, **options: Any) -> Encoder:
    folder, facts = _fetch(model, options, _WEIGHT_FILES)
    return _make(TorchEncoder, folder, {**options, **facts})


def _onnx_files(options: Mapping[str, Any]) -> tuple[str, ...]:
    file = options.get("file")
    return (f"{file}*",) if file else _ONNX_FILES


def _remote(scheme: str) -> EncoderFactory:
    def load(rest: str, **options: Any) -> Encoder:
        # Only here: it imports the HTTP client.
        from rolevec.encoders.remote.loading import load_remote

        return load_remote(scheme, rest, **options)

    return load


_SCHEMES: dict[str, EncoderFactory] = {
    "static": _load_static,
    "onnx": _load_onnx,
    "openvino": _load_openvino,
    "torch": _load_torch,
    "cohere": _remote("cohere"),
    "openai": _remote("openai"),
    "tei": _remote("tei"),
}


def _fetch(
    model: str | Path, options: Mapping[str, Any], weights: tuple[str, ...]
) -> tuple[Path, dict[str, Any]]:
    """The folder of a model, and what is known of it beyond the folder."""
    # First, so that a folder of that name in the working directory does not stand in for it.
    if isinstance(model, str) and model.strip().lower() in _LIGHT:
        return light_folder(), {}
    if model != "" and Path(model).is_dir():
        return Path(model), {}
    if isinstance(model, Path):
        raise UnknownModel(f"there is no folder {model}")
    card = find_card(model)
    if card is None and not _HUB_NAME.fullmatch(model):
        raise UnknownModel(_unknown(model))
    name = card.name if card else model
    revision = options.get("revision") or (card.revision if card else None)
    code = _CODE_FILES if options.get("trust_remote_code") else ()
    folder = download(name, revision, (*_CONFIG_FILES, *weights, *code))
    # The hub's own cache names a snapshot after its commit.
    commit = folder.name if _COMMIT.fullmatch(folder.name) else revision
    return folder, {"name": name, "card": card, "revision": commit}


def _unknown(model: str) -> str:
    near = suggest(model)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return (
        f"no model, folder or backend answers to {model!r}{hint}"
        ' (other models: "org/name" of the Hugging Face hub, or a folder)'
    )


_FACTS = frozenset({"revision", "pooling", "max_tokens", "precision"})
_OPTIONS: dict[type[BaseEncoder], frozenset[str]] = {
    StaticEncoder: frozenset(),
    OnnxEncoder: _FACTS | {"file", "threads"},
    OpenVinoEncoder: _FACTS | {"file", "threads"},
    TorchEncoder: _FACTS | {"trust_remote_code"},
}
_ENCODERS: dict[str, type[TransformerEncoder]] = {
    "openvino": OpenVinoEncoder,
    "onnx": OnnxEncoder,
    "torch": TorchEncoder,
}
_COMMON = frozenset({"prompts", "dimensions", "truncation", "device", "name", "card"})


def _make(backend: type[BaseEncoder], folder: Path, options: Mapping[str, Any]) -> Encoder:
    """Build the encoder; an option it does not have is refused, never ignored."""
    allowed = _COMMON | _OPTIONS[backend]
    unknown = sorted(name for name, value in options.items() if name not in allowed and value)
    if unknown:
        raise TypeError(
            f"{backend.__name__} has no option {', '.join(unknown)};"
            f" it has {', '.join(sorted(_OPTIONS[backend])) or 'none of its own'}"
        )
    if is_static_folder(folder) and backend is not StaticEncoder:
        raise ModelNotAvailable(f"{folder} holds a static model; load it without a scheme")
    if backend is StaticEncoder:
        if options["device"] not in ("auto", "cpu"):
            raise ValueError(f"device={options['device']!r}: a static model runs on the CPU")
        chosen = {k: options[k] for k in ("prompts", "dimensions", "truncation")}
    else:
        chosen = {k: v for k, v in options.items() if k in allowed and v is not None}
    encoder: Encoder = backend(folder, **chosen)  # type: ignore[arg-type]
    return encoder
