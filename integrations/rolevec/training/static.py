"""Train a token table: means of rows, symmetric InfoNCE over a batch, sparse updates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer
from torch.nn.functional import embedding_bag, normalize

from rolevec.encoders.progress import counter
from rolevec.training.batches import Bags, Batch, BatchMaker, bags
from rolevec.training.config import TrainConfig
from rolevec.training.corpus import load_stores, load_tokenizer
from rolevec.training.export import export
from rolevec.training.negatives import false_negatives
from rolevec.training.store import PairStore

PROMPTS = {"query": "query: ", "document": "document: "}

_CHECKPOINT, _STATE = "checkpoint.safetensors", "checkpoint.json"
_DEVELOPMENT_PAIRS = 2000
_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a run gave.

    Attributes:
        folder: the model, ready for `StaticEncoder`.
        losses: mean loss of each hundred steps.
        development: accuracy of finding a held-out translation among 2,000, in [0, 1]; None
            without held-out pairs.
    """

    folder: Path
    losses: tuple[float, ...]
    development: float | None


def train(config: TrainConfig, *, progress: bool = True) -> TrainResult:
    """Train a static model, or go on with a run that was killed.

    The tokenised pairs, the tokenizer and a checkpoint are kept in ``config.cache``; a second run
    with the same settings starts from them. Equal settings and data give equal tables on one
    machine.

    Args:
        config: settings; see `TrainConfig`.
        progress: show a bar with loss, steps a second and time left on standard error.

    Raises:
        ValueError: the data folder holds no pairs of the kinds asked for.
    """
    torch.manual_seed(config.seed)
    tokenizer = load_tokenizer(config, PROMPTS)
    stores, held_out = load_stores(config, tokenizer)
    query, document = (tokenizer.encode(PROMPTS[r]).ids[0] for r in ("query", "document"))
    batches = BatchMaker(stores, config, query, document)
    table = _Table(config, _frequencies(stores, tokenizer.get_vocab_size()))
    table.resume()
    with counter(config.steps, f"training {config.name}", show=progress) as advance:
        advance(table.step)
        _loop(config, batches, table, advance)
    development = _bitext(table.rows, held_out, document) if len(held_out) else None
    folder = export(
        config.output,
        tokenizer,
        table.rows.numpy(),
        _description(config, stores, tokenizer, development),
    )
    return TrainResult(folder, tuple(table.losses), development)


def _loop(config: TrainConfig, batches: BatchMaker, table: _Table, advance: Any) -> None:
    """The next batch is gathered in a thread while the last one is learned from."""
    window: list[float] = []
    with ThreadPoolExecutor(1) as drawer:
        pending = drawer.submit(batches.draw, table.step)
        while table.step < config.steps:
            batch = pending.result()
            pending = drawer.submit(batches.draw, table.step + 1)
            window.append(table.learn(batch))
            advance(1)
            if table.step % 100 == 0 or table.step == config.steps:
                table.losses.append(float(np.mean(window)))
                window.clear()
            if table.step % config.checkpoint_steps == 0:
                table.save()


class _Table:
    """The rows being learned, and the optimiser's memory of them.

    Row-wise Adagrad: one running sum of squared gradients a row, so a rare token still moves far
    when it is met, and a frequent one settles. Rows start short where a token is frequent, as in
    smooth inverse frequency weighting (Arora, Liang, Ma, ICLR 2017), because the mean is taken
    over rows as they are.
    """

    def __init__(self, config: TrainConfig, frequencies: npt.NDArray[np.float64]) -> None:
        self._config = config
        self.step = 0
        self.losses: list[float] = []
        generator = torch.Generator().manual_seed(config.seed)
        shape = (len(frequencies), config.dim)
        weights = torch.from_numpy(1e-3 / (1e-3 + frequencies)).float()
        self.rows = torch.randn(shape, generator=generator) * config.dim**-0.5 * weights[:, None]
        self._squares = torch.zeros(len(frequencies))

    def learn(self, batch: Batch) -> float:
        """One step; returns the loss."""
        both = _joined(batch.left, batch.right)
        ids, offsets = torch.from_numpy(both.ids), torch.from_numpy(both.offsets)
        with torch.no_grad():
            means = embedding_bag(ids, self.rows, offsets, include_last_offset=True, mode="mean")
        means.requires_grad_(True)
        left, right = means.tensor_split(2)
        loss = self._loss(left, right, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        assert means.grad is not None
        self._update(both, means.grad)
        self.step += 1
        return float(loss.detach())

    def _loss(self, left: torch.Tensor, right: torch.Tensor, batch: Batch) -> torch.Tensor:
        config = self._config
        masked = false_negatives(batch.left_keys, batch.right_keys)
        loss = info_nce(left, right, config.similarity_scale, masked)
        if not config.matryoshka:
            return loss
        few = min(config.matryoshka_batch, len(left))
        masked = false_negatives(batch.left_keys[:few], batch.right_keys[:few])
        for dim in config.matryoshka:
            part = info_nce(left[:few, :dim], right[:few, :dim], config.similarity_scale, masked)
            loss = loss + part * config.matryoshka_weight
        return loss

    def _update(self, bag: Bags, gradient: torch.Tensor) -> None:
        # The gradient of a row is the sum over its occurrences of the gradient of the bag it lies
        # in: again a sum over bags, of bag numbers sorted by token.
        lengths = np.diff(bag.offsets)
        gradient = gradient / torch.from_numpy(lengths).float()[:, None]
        owner = np.repeat(np.arange(len(lengths)), lengths)
        order = np.argsort(bag.ids, kind="stable")
        ranked = bag.ids[order]
        starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
        touched = torch.from_numpy(ranked[starts])
        rows = embedding_bag(
            torch.from_numpy(owner[order]), gradient, torch.from_numpy(starts), mode="sum"
        )
        self._squares.index_add_(0, touched, rows.square().mean(dim=1))
        step = self._rate() / (self._squares[touched].sqrt() + 1e-12)
        self.rows.index_add_(0, touched, rows * -step[:, None])

    def _rate(self) -> float:
        config = self._config
        warm = max(1.0, config.warmup * config.steps)
        left = max(0.0, (config.steps - self.step) / max(1.0, config.steps - warm))
        return config.learning_rate * min(1.0, (self.step + 1) / warm, left)

    def save(self) -> None:
        """Write a checkpoint, whole or not at all."""
        if self._config.cache is None:
            return
        path = self._config.cache / _CHECKPOINT
        part = path.with_suffix(".part")
        save_file({"rows": self.rows.numpy(), "squares": self._squares.numpy()}, part)
        part.replace(path)
        state = {"settings": _settings(self._config), "step": self.step, "losses": self.losses}
        part = path.with_name(_STATE + ".part")
        part.write_text(json.dumps(state), encoding="utf-8")
        part.replace(path.with_name(_STATE))

    def resume(self) -> None:
        """Take up the checkpoint if there is one of this very run."""
        if self._config.cache is None or not (self._config.cache / _STATE).exists():
            return
        state = json.loads((self._config.cache / _STATE).read_text(encoding="utf-8"))
        if state["settings"] != _settings(self._config):
            return
        arrays = load_file(self._config.cache / _CHECKPOINT)
        self.rows, self._squares = map(torch.from_numpy, (arrays["rows"], arrays["squares"]))
        self.step, self.losses = state["step"], state["losses"]


def info_nce(
    left: torch.Tensor,
    right: torch.Tensor,
    scale: float,
    masked: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]],
) -> torch.Tensor:
    """Symmetric InfoNCE: each left must pick its right among all rights, and the other way round.

    Oord, Li, Vinyals, "Representation learning with contrastive predictive coding" (2018), over
    cosines times ``scale``. The similarities are computed in bfloat16, whose error is well below
    what a temperature of 1/20 resolves; the softmax is in float32.

    Args:
        left: shape (n, dim), of any length.
        right: shape (n, dim); row i belongs to ``left[i]``.
        scale: factor on the cosine.
        masked: cells (i, j) left out; see `false_negatives`.
    """
    cells = tuple(torch.from_numpy(part) for part in masked)
    apply: Any = _InfoNCE.apply
    loss: torch.Tensor = apply(normalize(left), normalize(right), scale, cells)
    return loss


class _InfoNCE(torch.autograd.Function):
    """Loss and gradient in one pass over the similarity matrix.

    Both softmaxes need the same exponentials, and their gradient is
    (p_row + p_column - 2 * identity) / 2n, so the matrix is made once and turned into the gradient
    in place, in blocks of rows that stay in the cache.
    """

    @staticmethod
    def forward(
        ctx: Any,
        left: torch.Tensor,
        right: torch.Tensor,
        scale: float,
        masked: tuple[torch.Tensor, ...],
    ) -> torch.Tensor:
        one, other = left.bfloat16(), right.bfloat16()
        blocks, by_row, own = [], [], []
        by_column = torch.zeros(len(right))
        for start in range(0, len(left), _BLOCK):
            # A cosine is at most 1, so this keeps every exponent below zero.
            scores = (one[start : start + _BLOCK] @ other.T).float().sub_(1).mul_(scale)
            own.append(scores.diagonal(start).clone())
            inside = (masked[0] >= start) & (masked[0] < start + _BLOCK)
            shares = scores.exp_()
            shares[masked[0][inside] - start, masked[1][inside]] = 0
            by_row.append(shares.sum(dim=1))
            by_column += shares.sum(dim=0)
            blocks.append(shares)
        rows = torch.cat(by_row)
        loss = (rows.log() + by_column.log()).mean() / 2 - torch.cat(own).mean()
        to_left, to_right = torch.empty_like(left), torch.zeros_like(right)
        for start, shares in zip(range(0, len(left), _BLOCK), blocks, strict=True):
            part = slice(start, start + _BLOCK)
            gradient = shares.mul_(rows[part].reciprocal()[:, None] + by_column.reciprocal())
            gradient.mul_(scale / (2 * len(left))).diagonal(start).sub_(scale / len(left))
            slope = gradient.bfloat16()
            to_left[part] = (slope @ other).float()
            to_right += (slope.T @ one[part]).float()
        ctx.save_for_backward(to_left, to_right)
        return loss

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> Any:
        left, right = ctx.saved_tensors
        return left * outer[0], right * outer[0], None, None


def _joined(left: Bags, right: Bags) -> Bags:
    return Bags(
        np.concatenate([left.ids, right.ids]),
        np.concatenate([left.offsets, right.offsets[1:] + left.offsets[-1]]),
    )


def _frequencies(stores: Mapping[str, PairStore], vocab: int) -> npt.NDArray[np.float64]:
    counts = np.ones(vocab)
    for store in stores.values():
        counts += np.bincount(store.flat, minlength=vocab)
    return np.asarray(counts / counts.sum())


def _bitext(rows: torch.Tensor, pairs: PairStore, document: int) -> float:
    """Share of held-out left texts whose nearest right text is their own, distinct rights only."""
    _, first = np.unique(pairs.right, return_index=True)
    chosen = np.random.default_rng(0).permutation(first)[:_DEVELOPMENT_PAIRS]
    roles = np.full(len(chosen), document)
    sides = []
    for texts in (pairs.left[chosen], pairs.right[chosen]):
        bag = bags(pairs, texts, roles)
        ids, offsets = torch.from_numpy(bag.ids), torch.from_numpy(bag.offsets)
        sides.append(
            normalize(embedding_bag(ids, rows, offsets, include_last_offset=True, mode="mean"))
        )
    found = (sides[0] @ sides[1].T).argmax(dim=1)
    return float((found == torch.arange(len(chosen))).float().mean())


def _settings(config: TrainConfig) -> dict[str, Any]:
    return json.loads(json.dumps(config.to_dict()))  # type: ignore[no-any-return]


def _description(
    config: TrainConfig,
    stores: Mapping[str, PairStore],
    tokenizer: Tokenizer,
    development: float | None,
) -> dict[str, Any]:
    """What the exported model says of itself."""
    pairs: dict[str, int] = {}
    for store in stores.values():
        counts = np.bincount(store.lang, minlength=len(store.langs))
        for lang, count in zip(store.langs, counts, strict=True):
            pairs[lang] = pairs.get(lang, 0) + int(count)
    enough = sorted(lang for lang, count in pairs.items() if count >= 1000)
    return {
        "name": config.name,
        "license": config.licence,
        "max_tokens": config.max_tokens,
        "prompts": PROMPTS,
        "unk_id": tokenizer.token_to_id("<unk>"),
        "matryoshka_dims": [*config.matryoshka, config.dim],
        "languages": sorted({"eng", *enough}),
        "source": "trained by rolevec.training",
        "training": {
            "steps": config.steps,
            "batch": config.batch,
            "seed": config.seed,
            "pairs": sum(pairs.values()),
            "development_bitext": None if development is None else round(development, 4),
        },
    }
