"""Train a transformer on pairs, with the trainer and the losses of sentence-transformers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from datasets import Dataset, DatasetDict  # type: ignore[import-untyped]
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerModelCardData,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.sampler import BatchSamplers, MultiDatasetBatchSamplers
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
)
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import PrinterCallback, TrainerCallback

from rolevec.encoders.export import export_onnx
from rolevec.encoders.folder import ONNX_FILES, ModelFolder
from rolevec.encoders.loading import find_folder, load_encoder
from rolevec.encoders.progress import Advance, counter
from rolevec.encoders.torch import no_progress_bar
from rolevec.errors import UnsupportedRole
from rolevec.prompts import Prompts
from rolevec.roles import Role
from rolevec.training.contextual import untrained
from rolevec.training.examples import Examples, load_examples
from rolevec.training.result import TrainResult
from rolevec.training.static import PROMPTS
from rolevec.training.transformer_config import TransformerConfig

_RECORD = "training.json"
# A loss is noted so many times a run.
_NOTES = 20


def train_transformer(config: TransformerConfig, *, progress: bool = True) -> TrainResult:
    """Train the model of the settings; see `rolevec.training.train`.

    Each query must be nearer to its answer than to the answers and mined negatives of all others in
    its batch (InfoNCE; MultipleNegativesRankingLoss there), and of two translations each to the
    other. A batch holds rows of one table, and no text twice.
    """
    with no_progress_bar(), _workplace(config) as work:
        base = _base(config, work, progress=progress)
        prompts = _prefixes(base)
        examples, development = load_examples(config, two_roles=base.prompts.distinguish)
        # Layers that a folder lacks are drawn.
        torch.manual_seed(config.seed)
        model = _open(base, config, prompts)
        trainer = _trainer(model, config, examples, prompts, work / _run_name(config, examples))
        _run(trainer, config.output.name, progress=progress)
        losses = tuple(e["loss"] for e in trainer.state.log_history if "loss" in e)
        _write(model, config.output)
    with load_encoder(f"torch:{config.output}", truncation="end") as encoder:
        score = development.score(encoder) if development else None
    if config.onnx:
        export_onnx(config.output)
    record = {
        "settings": _settings(config),
        "steps": trainer.state.global_step,
        "rows": {part.name: len(part) for part in examples},
        "development": None if score is None else round(score, 4),
    }
    text = json.dumps(record, ensure_ascii=False, indent=2) + "\n"
    (config.output / _RECORD).write_text(text, encoding="utf-8")
    return TrainResult(config.output, str(config.output), losses, score)


def _base(config: TransformerConfig, work: Path, *, progress: bool) -> ModelFolder:
    if config.architecture is None:
        return find_folder(config.model, prompts=config.prompts, pooling=config.pooling or None)
    prompts = Prompts(PROMPTS).updated(config.prompts).to_dict()
    folder = untrained(config, prompts, work, progress=progress)
    return find_folder(folder, prompts=prompts, pooling="mean")


def _prefixes(base: ModelFolder) -> dict[Role, str]:
    """What stands before a text in each role that has a prompt, and in the two of search."""
    roles = {*base.prompts, Role.QUERY, Role.DOCUMENT}
    parts = {role: base.prompts.parts(role) for role in Role if role in roles}
    for role, (_, after) in parts.items():
        if after:
            raise UnsupportedRole(
                f"the prompt of {role} ends in {after!r}; sentence-transformers, which trains the"
                " model, puts prompts before a text only"
            )
    return {role: before for role, (before, _) in parts.items()}


def _open(
    base: ModelFolder, config: TransformerConfig, prompts: dict[Role, str]
) -> SentenceTransformer:
    modules = None
    if not (base.path / "modules.json").is_file():
        transformer = Transformer(str(base.path))
        assert base.card.pooling is not None  # read_folder does not return without one
        modules = [transformer, Pooling(base.hidden, base.card.pooling)]
    model = SentenceTransformer(
        str(base.path) if modules is None else None,
        modules=modules,
        local_files_only=True,
        model_card_data=SentenceTransformerModelCardData(local_files_only=True),
    )
    # Weights may be stored in half precision, which loses small steps.
    model.float()
    limits = [n for n in (config.max_tokens, base.card.max_tokens) if n]
    if limits:
        model.max_seq_length = min(limits)
    model.prompts = {**model.prompts, **{role.value: text for role, text in prompts.items()}}
    dim = base.card.dim
    if any(not 0 < d < dim for d in config.matryoshka):
        raise ValueError(f"matryoshka dimensions must lie between 0 and {dim}")
    return model


class _Trainer(SentenceTransformerTrainer):
    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """None: a card would hold rows of the training data."""


def _trainer(
    model: SentenceTransformer,
    config: TransformerConfig,
    examples: list[Examples],
    prompts: dict[Role, str],
    checkpoints: Path,
) -> SentenceTransformerTrainer:
    cuda, total = torch.cuda.is_available(), _steps(config, examples)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(checkpoints),
        max_steps=total,
        per_device_train_batch_size=config.batch,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup,
        bf16=cuda and torch.cuda.is_bf16_supported(),
        seed=config.seed,
        save_strategy="steps" if config.cache else "no",
        save_steps=config.checkpoint_steps,
        save_total_limit=2,
        logging_steps=max(1, total // _NOTES),
        disable_tqdm=True,
        report_to=[],
        dataloader_pin_memory=cuda,
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        multi_dataset_batch_sampler=MultiDatasetBatchSamplers.PROPORTIONAL,
        prompts={
            part.name: {
                column: prompts[part.anchor_role if column == "anchor" else Role.DOCUMENT]
                for column in part.columns
            }
            for part in examples
        },
    )
    trainer = _Trainer(
        model=model,
        args=arguments,
        train_dataset=DatasetDict({p.name: Dataset.from_dict(p.columns) for p in examples}),
        loss={part.name: _loss(model, config, symmetric=part.symmetric) for part in examples},
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _steps(config: TransformerConfig, examples: list[Examples]) -> int:
    batches = sum(-(-len(part) // config.batch) for part in examples)
    return config.steps or ceil(batches * config.epochs)


def _loss(
    model: SentenceTransformer, config: TransformerConfig, *, symmetric: bool
) -> torch.nn.Module:
    settings: dict[str, Any] = {"scale": config.similarity_scale}
    if symmetric:
        settings |= {"directions": ("query_to_doc", "doc_to_query")}
        settings |= {"partition_mode": "per_direction"}
    loss: torch.nn.Module
    if config.mini_batch:
        loss = CachedMultipleNegativesRankingLoss(
            model, mini_batch_size=config.mini_batch, **settings
        )
    else:
        loss = MultipleNegativesRankingLoss(model, **settings)
    if not config.matryoshka:
        return loss
    dims = [model.get_embedding_dimension() or 0, *sorted(config.matryoshka, reverse=True)]
    return MatryoshkaLoss(model, loss, matryoshka_dims=dims)


class _Progress(TrainerCallback):
    """Counts steps and remembers the last loss that was noted."""

    def __init__(self) -> None:
        self.advance: Advance = lambda _: None
        self._loss = ""

    def describe(self) -> str:
        return self._loss

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.advance(1)

    def on_log(self, *args: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        if logs and "loss" in logs:
            self._loss = f"loss {logs['loss']:.3f}"


def _run(trainer: SentenceTransformerTrainer, name: str, *, progress: bool) -> None:
    done, checkpoint = _last_checkpoint(Path(str(trainer.args.output_dir)))
    callback = _Progress()
    trainer.add_callback(callback)
    total = trainer.args.max_steps
    with counter(
        total, f"training {name}", show=progress, note=callback.describe, done=done
    ) as advance:
        callback.advance = advance
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)


@contextmanager
def _workplace(config: TransformerConfig) -> Iterator[Path]:
    """The cache, or a folder that goes away."""
    if config.cache is not None:
        yield config.cache
        return
    with TemporaryDirectory() as folder:
        yield Path(folder)


def _run_name(config: TransformerConfig, examples: list[Examples]) -> str:
    """Where this very run keeps its checkpoints, so that no other takes them up."""
    run = [_settings(config), {part.name: len(part) for part in examples}]
    digest = hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()
    return f"transformer-{digest[:12]}"


def _last_checkpoint(folder: Path) -> tuple[int, Path | None]:
    """Steps done in the last whole checkpoint, and its folder; 0 and None if there is none.

    The trainer writes the file that tells the steps last, so a kill while it writes leaves none.
    """
    found: list[tuple[int, Path]] = []
    for path in folder.glob("checkpoint-*/trainer_state.json"):
        try:
            found.append((int(json.loads(path.read_text("utf-8"))["global_step"]), path.parent))
        except (ValueError, KeyError):
            continue
    return max(found, default=(0, None))


def _settings(config: TransformerConfig) -> dict[str, Any]:
    return json.loads(json.dumps(config.to_dict()))  # type: ignore[no-any-return]


def _write(model: SentenceTransformer, output: Path) -> None:
    """Save beside the output and move file by file, so that no reader meets half a file."""
    with TemporaryDirectory(dir=_made(output.parent), prefix=f".{output.name}-") as part:
        model.save(part, create_model_card=False)
        # A graph of other weights would be preferred to these.
        for name in ONNX_FILES:
            (output / name).unlink(missing_ok=True)
        for path in sorted(Path(part).rglob("*")):
            if path.is_file():
                place = output / path.relative_to(part)
                _made(place.parent)
                path.replace(place)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
