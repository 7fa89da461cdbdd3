"""Reading a model folder in the layout of Hugging Face and sentence-transformers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from tokenizers import Tokenizer

from rolevec.encoders.modules import Modules, read_modules
from rolevec.encoders.pooling import Step
from rolevec.encoders.tokenizer import folder_tokenizer
from rolevec.errors import ModelNotAvailable, UnsupportedRole
from rolevec.fingerprint import CONTENT_REVISION
from rolevec.models.card import ModelCard, Pooling
from rolevec.models.families import require_prompts
from rolevec.prompts import Prompts
from rolevec.roles import Role

ONNX_FILES = ("model.onnx", "onnx/model.onnx")
# Families whose position ids start behind the padding id, which costs that many positions
# (transformers, create_position_ids_from_input_ids).
_OFFSET_POSITIONS = {
    "camembert",
    "data2vec-text",
    "longformer",
    "mpnet",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
}
_NO_LIMIT = 1_000_000  # tokenizers without a limit write 1e30


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """What a folder says about its model.

    Attributes:
        path: the folder.
        card: facts of the folder, completed by those of the card that was given.
        prompts: of the folder over those of the card, the caller's over both.
        steps: what is done to a pooled vector.
        hidden: size of a token vector.
        pad_id: token that fills a batch up.
        revision: identity of the weights.
    """

    path: Path
    card: ModelCard
    prompts: Prompts
    steps: tuple[Step, ...]
    hidden: int
    pad_id: int
    revision: str

    def tokenizer(self) -> Tokenizer:
        """The folder's tokenizer, with the settings that stand outside tokenizer.json applied."""
        return folder_tokenizer(
            self.path,
            _json(self.path / "tokenizer_config.json"),
            _json(self.path / "sentence_bert_config.json"),
        )


def read_folder(
    path: str | Path,
    *,
    card: ModelCard | None = None,
    name: str | None = None,
    prompts: Mapping[str, str] | None = None,
    pooling: str | None = None,
    revision: str | None = None,
    max_tokens: int | None = None,
    graph: Path | None = None,
) -> ModelFolder:
    """Read everything but the weights.

    Args:
        path: folder with config.json and tokenizer.json.
        card: facts for what the folder leaves out.
        name: of the model; None takes the card's, else the folder's.
        prompts: templates that win over the folder's, which win over the card's.
        pooling: "mean", "cls" or "lasttoken", for a folder that does not say.
        revision: of the weights; None hashes them.
        max_tokens: lowers the limit.
        graph: the ONNX file in use; None takes `find_onnx`'s.

    Raises:
        ModelNotAvailable: a file is missing, unreadable, or asks for what cannot be done here.
        MissingPrompts: the model's family needs prompts, and nobody gave any.
    """
    path = Path(path)
    config = _json(path / "config.json", required=True)
    name = name or (card.name if card else path.resolve().name)
    known = Prompts(card.prompts if card else None).updated(
        role_prompts(_json(path / "config_sentence_transformers.json"))
    )
    for alias in (name, str(config.get("_name_or_path") or "")):
        require_prompts(alias, known if prompts is None else prompts)
    modules = read_modules(path)
    hidden = _hidden_size(path, config)
    revision = revision or content_revision(path, graph)
    limits = (_max_tokens(path, config), card.max_tokens if card else None, max_tokens)
    facts = replace(
        card or ModelCard(name=name, dim=hidden, max_tokens=None),
        name=name,
        dim=modules.dim(hidden),
        max_tokens=min((limit for limit in limits if limit), default=None),
        prompts=known.to_dict(),
        pooling=_pooling(path, modules, card, pooling),
        revision=revision,
    )
    prompts_applied = known.updated(prompts)
    return ModelFolder(
        path, facts, prompts_applied, modules.steps, hidden, _pad_id(config), revision
    )


@dataclass(frozen=True, slots=True)
class ScorerFolder:
    """What a cross-encoder's folder says about it.

    Attributes:
        path: the folder.
        name: of the model.
        max_tokens: longest pair, special tokens included; None if unlimited.
        pad_id: token that fills a batch up.
    """

    path: Path
    name: str
    max_tokens: int | None
    pad_id: int

    def tokenizer(self) -> Tokenizer:
        """As `ModelFolder.tokenizer`."""
        return folder_tokenizer(
            self.path,
            _json(self.path / "tokenizer_config.json"),
            _json(self.path / "sentence_bert_config.json"),
        )


def classifies(path: Path) -> bool:
    """True for a folder whose model is one for classifying sequences, as cross-encoders are."""
    try:
        architectures = _json(path / "config.json").get("architectures")
    except ModelNotAvailable:
        return False
    names = architectures if isinstance(architectures, list) else []
    return any(str(name).endswith("ForSequenceClassification") for name in names)


def read_scorer(path: Path, name: str | None = None, max_tokens: int | None = None) -> ScorerFolder:
    """Read everything of a cross-encoder but its weights.

    Args:
        path: folder with config.json and tokenizer.json.
        name: of the model; None takes the folder's.
        max_tokens: lowers the limit.

    Raises:
        ModelNotAvailable: a file is missing or unreadable, or the model does not give one score.
    """
    config = _json(path / "config.json", required=True)
    labels = config.get("num_labels") or len(config.get("id2label") or (0, 1))
    if labels != 1:
        raise ModelNotAvailable(
            f"{path} gives {labels} numbers for a pair, or does not say how many;"
            " a reranker gives one score"
        )
    limit = min((n for n in (_max_tokens(path, config), max_tokens) if n), default=None)
    return ScorerFolder(path, name or path.resolve().name, limit, _pad_id(config))


def find_onnx(path: Path, file: str | None = None) -> Path | None:
    """The ONNX file of a folder: the one asked for, else the full-precision one, else None.

    Raises:
        ModelNotAvailable: ``file`` is not there.
    """
    if file is not None:
        if not (path / file).is_file():
            there = ", ".join(sorted(str(f.relative_to(path)) for f in path.rglob("*.onnx")))
            raise ModelNotAvailable(f"{path} has no {file}; it has {there or 'no ONNX file'}")
        return path / file
    return next((path / f for f in ONNX_FILES if (path / f).is_file()), None)


def has_safetensors(path: Path) -> bool:
    """True if torch can load the folder without unpickling."""
    return any((path / f).is_file() for f in ("model.safetensors", "model.safetensors.index.json"))


def content_revision(path: Path, graph: Path | None = None) -> str:
    """ "sha256:…" of the safetensors weights, or of the ONNX file where there are none.

    Equal for both backends of one folder, so that their fingerprints agree.
    """
    index = _json(path / "model.safetensors.index.json").get("weight_map", {})
    files = [path / "model.safetensors"]
    if not files[0].is_file():
        files = [path / shard for shard in sorted(set(index.values()))]
    if not files:
        onnx = graph or find_onnx(path)
        # Large models keep their tensors beside the graph.
        files = [onnx, *sorted(onnx.parent.glob(f"{onnx.name}[_.]data"))] if onnx else []
    if not files:
        raise ModelNotAvailable(
            f"{path} holds neither model.safetensors nor an ONNX file"
            f" ({', '.join(ONNX_FILES)}); weights in pickled formats are not read"
        )
    digests = [_digest(file) for file in files]
    if len(digests) == 1:
        return CONTENT_REVISION + digests[0]
    return CONTENT_REVISION + hashlib.sha256("".join(digests).encode()).hexdigest()


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _json(path: Path, *, required: bool = False) -> dict[str, Any]:
    if not required and not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelNotAvailable(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise ModelNotAvailable(f"{path} does not hold a JSON object")
    return content


def _hidden_size(path: Path, config: Mapping[str, Any]) -> int:
    nested = config.get("text_config")
    for part in (config, nested if isinstance(nested, dict) else {}):
        for key in ("hidden_size", "d_model", "n_embd", "dim"):
            if isinstance(part.get(key), int):
                return int(part[key])
    raise ModelNotAvailable(f"{path / 'config.json'} does not say the hidden size of the model")


def _max_tokens(path: Path, config: Mapping[str, Any]) -> int | None:
    """The least of what tokenizer, model and sentence-transformers allow; None if none says."""
    nested = config.get("text_config")
    positions = config.get("max_position_embeddings") or (
        nested.get("max_position_embeddings") if isinstance(nested, dict) else None
    )
    if positions and config.get("model_type") in _OFFSET_POSITIONS:
        positions -= (config.get("pad_token_id") or 0) + 1
    stated = (
        positions,
        _json(path / "tokenizer_config.json").get("model_max_length"),
        _json(path / "sentence_bert_config.json").get("max_seq_length"),
    )
    limits = [int(n) for n in stated if n and n < _NO_LIMIT]
    return min(limits, default=None)


def _pad_id(config: Mapping[str, Any]) -> int:
    """The padding id; any id will do where none is named, since the mask hides it."""
    pad = config.get("pad_token_id")
    return pad if isinstance(pad, int) and pad >= 0 else 0


def _pooling(path: Path, modules: Modules, card: ModelCard | None, asked: str | None) -> Pooling:
    if asked is not None:
        for choice in get_args(Pooling):
            if asked == choice:
                return choice  # type: ignore[no-any-return]
        raise ValueError(f"pooling={asked!r} is not one of {', '.join(get_args(Pooling))}")
    found = modules.pooling or (card.pooling if card else None)
    if found is None:
        raise ModelNotAvailable(
            f"{path} has no modules.json, so nothing says how its token vectors become one; look it"
            ' up in the model\'s documentation and pass pooling="mean", "cls" or "lasttoken"'
        )
    return found


def role_prompts(config: Mapping[str, Any]) -> dict[str, str]:
    """Prompts of config_sentence_transformers.json by role; names of other tasks are left aside."""
    found = config.get("prompts")
    found = found if isinstance(found, dict) else {}
    stated = {k: v for k, v in found.items() if isinstance(v, str)}
    by_role: dict[str, str] = {}
    # Own names last, so that "query" wins over a second name of the same role.
    for name in sorted(stated, key=lambda n: n in set(Role)):
        try:
            by_role[Role.parse(name).value] = stated[name]
        except UnsupportedRole:
            continue
    default = stated.get(config.get("default_prompt_name") or "")
    if default:
        for role in (Role.QUERY, Role.DOCUMENT):
            by_role.setdefault(role.value, default)
    # Since its version 5 sentence-transformers writes empty prompts for any model: nothing said.
    return by_role if any(by_role.values()) else {}
