"""Fetching a model's files from the Hugging Face hub, or from its cache on this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from rolevec.errors import MissingExtra, ModelNotAvailable

# Settings, vocabularies and weights. Everything that unpickles or runs stays on the hub.
DEFAULT_PATTERNS = (
    "*.json",
    "*.txt",
    "*.model",
    "model.safetensors",
    "model-*.safetensors",
    "*/model.safetensors",
    "model.onnx*",
    "onnx/model.onnx*",
)
_SAFE = (".json", ".txt", ".model", ".safetensors")
_ONNX = re.compile(r"\.onnx(\*|[._]data\*?)?$")
# Exporters of large models write tensors beside the graph under names like this one.
_ONNX_TENSORS = ("*_attr__value",)
_NEVER = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.joblib", "*.npy", "*.npz")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MODULE = re.compile(r"\d+_")


def download(
    name: str, revision: str | None = None, patterns: Sequence[str] = DEFAULT_PATTERNS
) -> Path:
    """A folder with the model's files, in the hub's own cache.

    A pinned revision that is already there is used without asking the network.

    Args:
        name: "org/name" on the hub.
        revision: full commit hash, branch or tag; None is the newest.
        patterns: files to fetch, as shell patterns: settings (.json, .txt, .model), .safetensors
            or .onnx. "*.py" must be asked for by name; pickled formats are refused.

    Raises:
        MissingExtra: huggingface_hub is not installed.
        ModelNotAvailable: it is neither here nor to be had; says why and how to go on.
        ValueError: a pattern asks for a format that is never fetched.
    """
    allowed = _checked(patterns)
    pinned = revision is not None and _COMMIT.fullmatch(revision) is not None
    local = _cached(name, revision, allowed) if pinned else None
    if local is not None and _is_complete(local, allowed):
        return local
    try:
        if pinned and local is None:
            _look_up(name, revision)
        return _snapshot(name, revision, allowed, offline=False)
    except MissingExtra:
        raise
    # Errors of the hub, the network and the disk have no base class in common.
    except Exception as error:
        # Offline, weights in the other format than the one asked for are better than none.
        local = _cached(name, revision, [p for p in allowed if not _is_weight(p)])
        if local is not None and not _is_refusal(error) and _is_complete(local, DEFAULT_PATTERNS):
            return local
        raise ModelNotAvailable(_explain(name, revision, error)) from error


def _snapshot(name: str, revision: str | None, allowed: list[str], *, offline: bool) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingExtra("huggingface_hub", "onnx") from error
    folder = snapshot_download(
        name,
        revision=revision,
        allow_patterns=allowed,
        ignore_patterns=list(_NEVER),
        local_files_only=offline,
    )
    return Path(folder)


def _look_up(name: str, revision: str | None) -> None:
    """Ask the hub once; listing a pinned revision would retry for half a minute while offline."""
    from huggingface_hub import HfApi

    HfApi().model_info(name, revision=revision, timeout=10)


def _cached(name: str, revision: str | None, allowed: list[str]) -> Path | None:
    """The snapshot in the cache, or None if there is none or its listing says it is partial."""
    try:
        return _snapshot(name, revision, allowed, offline=True)
    except (OSError, ValueError):
        return None


def _checked(patterns: Iterable[str]) -> list[str]:
    allowed = list(patterns)
    for pattern in allowed:
        if not (pattern.endswith(_SAFE) or _ONNX.search(pattern) or pattern == "*.py"):
            raise ValueError(
                f"the pattern {pattern!r} is not fetched: only .json, .txt, .model, .safetensors"
                " and .onnx files are, because other formats can run code when they are read"
            )
    if any(_ONNX.search(pattern) for pattern in allowed):
        allowed.extend(_ONNX_TENSORS)
    return allowed


def _is_complete(folder: Path, allowed: Sequence[str]) -> bool:
    """True if settings and weights are there.

    Versions of huggingface_hub before 2 return what an interrupted download left.
    """
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = {path.relative_to(folder).as_posix() for path in files}
    weights = [pattern for pattern in allowed if _is_weight(pattern)]
    main = [name for name in names if not _MODULE.match(name)]
    if weights and not any(fnmatch(name, pattern) for name in main for pattern in weights):
        return False
    return "config.json" in names and _shards(folder) <= names


def _is_weight(pattern: str) -> bool:
    return pattern.endswith(".safetensors") or _ONNX.search(pattern) is not None


def _shards(folder: Path) -> set[str]:
    """Files that the index of a divided model names; none for a model in one file."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file() or (folder / "model.safetensors").is_file():
        return set()
    if not any(folder.glob("model-*.safetensors")):
        return set()
    weight_map = json.loads(index.read_text(encoding="utf-8")).get("weight_map", {})
    return set(weight_map.values())


def _is_refusal(error: Exception) -> bool:
    """True if the hub answered that there is no such thing, so that the cache must not hide it."""
    return type(error).__name__ in ("RepositoryNotFoundError", "RevisionNotFoundError")


def _explain(name: str, revision: str | None, error: Exception) -> str:
    asked = f"{name!r} at revision {revision}" if revision else repr(name)
    kind = type(error).__name__
    if kind == "GatedRepoError":
        return (
            f"{asked} is gated: accept its terms at https://huggingface.co/{name}, log in with"
            " 'hf auth login' or set HF_TOKEN, and load it again"
        )
    if kind == "RepositoryNotFoundError":
        return (
            f"the hub has no model {name!r} that you may see; check the spelling, or set HF_TOKEN"
            " for a private one"
        )
    if kind == "RevisionNotFoundError":
        return f"the hub has {name!r}, but no revision {revision!r}; give another revision="
    return (
        f"{asked} is neither in the cache on this machine nor to be had from the hub"
        f" ({kind}: {_first_line(error)}). Connect and unset HF_HUB_OFFLINE to download it; or copy"
        " the cache of another machine and set HF_HOME to it; or pass the path of a folder that"
        ' holds the model; or use "light", which is in the package'
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0][:200]
