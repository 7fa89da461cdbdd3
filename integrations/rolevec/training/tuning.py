"""Tune a static model on one's own pairs, without losing what it knew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import rolevec
from rolevec.encoders.loading import load_encoder
from rolevec.encoders.progress import counter
from rolevec.encoders.protocol import Encoder
from rolevec.encoders.static import StaticEncoder
from rolevec.encoders.table import TokenTable
from rolevec.models.bundled import LIGHT_ALIASES, LIGHT_NAME
from rolevec.models.static_card import read_config
from rolevec.prompts import Prompts
from rolevec.roles import Role
from rolevec.training.bagging import BaggedTexts
from rolevec.training.checkpoint import Checkpoint
from rolevec.training.export import export
from rolevec.training.result import TrainResult
from rolevec.training.tune_config import TuneConfig
from rolevec.training.tuner import Tuner
from rolevec.training.tuning_data import Judged, ndcg, read_judged

Ints = npt.NDArray[np.int64]

# What the exported model says anew, of all that the old one says of itself.
_ANEW = ("format", "format_version", "revision", "dim", "pooling", "normalize", "training")
METRIC = "ndcg@10"


def train_tuned(config: TuneConfig, *, progress: bool = True) -> TrainResult:
    """Tune a static model; see `rolevec.training.train`.

    Each query must be nearer to its answer than to the documents of all others in its batch, mined
    negatives among them (InfoNCE). Only rows of tokens that the pairs hold are moved, each by
    little; the run stops when queries that were kept apart gain no more, goes back to where they
    had gained most, and takes the share of that way which is best for them. If nothing is gained,
    the tuned model is the old one.

    Raises:
        FileNotFoundError: there are no pairs.
        ValueError: too few pairs, or a model that is not static.
    """
    torch.manual_seed(config.seed)
    base = _base(config)
    run = _Run.of(config, base, read_judged(config.data))
    checkpoint = Checkpoint(config.cache, run.settings())
    progressed = run.learn(checkpoint, progress=progress)
    blend = run.best_blend(progressed)
    folder = export(
        config.output,
        base.tokenizer,
        run.table(progressed, blend),
        _description(config, base, run, progressed, blend),
        config.bits,
        query_map=run.query_map,
        letters=run.letters,
        entries=run.entries,
    )
    with load_encoder(f"static:{folder}", truncation="end") as tuned:
        after = run.measure(tuned)
    return TrainResult(
        folder, f"static:{folder}", tuple(progressed.losses), after, run.measure(base), METRIC
    )


def _base(config: TuneConfig) -> StaticEncoder:
    name = config.model
    known = name in (LIGHT_NAME, *LIGHT_ALIASES) or name.startswith("static:")
    encoder = load_encoder(name if known else f"static:{name}", truncation="end")
    if not isinstance(encoder, StaticEncoder):
        raise ValueError(f"model={name!r} is no static model; kind = 'transformer' trains others")
    dim = encoder.card.dim
    if any(not 0 < d < dim for d in config.matryoshka):
        raise ValueError(f"matryoshka dimensions must lie between 0 and {dim}")
    return encoder


@dataclass
class _Progress:
    """How far a run has come; the best moves are those of ``best_epoch``, 0 for the old table."""

    epoch: int = 0
    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    best: npt.NDArray[np.float32] | None = None

    @property
    def best_epoch(self) -> int:
        return int(np.argmax(self.scores))


class _Run:
    """One's own pairs in the tokens of one model."""

    def __init__(
        self,
        config: TuneConfig,
        data: Judged,
        texts: tuple[BaggedTexts, BaggedTexts],
        table: TokenTable,
        ridge: float | None,
    ) -> None:
        self._config, self._data = config, data
        self._train, self._apart = data.split(config.held_out, config.seed)
        self._mined = self._balanced()
        self._table = table
        self._used = np.unique(np.concatenate([part.ids for part in texts]))
        self._queries, self._documents = (part.renumbered(self._used) for part in texts)
        self.query_map, self.letters, self.entries = table.query_map, table.letters, table.entries
        rows = table.sums(self._used, np.arange(len(self._used)))
        self._tuner = Tuner(config, rows, table.query_map, ridge)

    @classmethod
    def of(cls, config: TuneConfig, base: StaticEncoder, data: Judged) -> _Run:
        settings, most = read_config(base.folder), config.max_tokens
        prompts = Prompts(settings.get("prompts"))
        sides = ((data.queries, Role.QUERY), (data.documents, Role.DOCUMENT))
        reads = base.dictionary
        texts = [
            BaggedTexts.of(side, base.tokenizer, prompts.parts(role)[0], settings, most, reads)
            for side, role in sides
        ]
        table = TokenTable(base.folder / "model.safetensors")
        return cls(config, data, (texts[0], texts[1]), table, settings.get("ridge"))

    def settings(self) -> dict[str, Any]:
        """What decides how the run goes."""
        texts = [self._data.queries, self._data.documents, self._data.answers]
        digest = hashlib.sha256(json.dumps([*texts, self._data.negatives]).encode()).hexdigest()
        return json.loads(json.dumps({**self._config.to_dict(), "pairs": digest}))  # type: ignore[no-any-return]

    @property
    def counts(self) -> dict[str, int]:
        """How many queries are trained on and kept apart, of how many documents."""
        sides = {"queries": len(self._train), "held_out": len(self._apart)}
        return {**sides, "documents": len(self._data.documents), "moved_rows": len(self._used)}

    def learn(self, checkpoint: Checkpoint, *, progress: bool) -> _Progress:
        """Epoch by epoch, until the held-out queries gain no more."""
        done = self._taken_up(checkpoint)
        label = f"tuning {self._config.model}"

        def note() -> str:
            return f"held-out {METRIC} {done.scores[-1]:.3f}, {done.scores[0]:.3f} before"

        with counter(
            self._config.epochs, label, show=progress, note=note, done=done.epoch
        ) as advance:
            while not self._is_over(done):
                done.losses.append(self._epoch(done.epoch))
                done.epoch += 1
                done.scores.append(self._score())
                if done.best_epoch == done.epoch:
                    done.best = self._tuner.moves.numpy().copy()
                self._save(checkpoint, done)
                advance(1)
        return done

    def _is_over(self, done: _Progress) -> bool:
        config = self._config
        return done.epoch >= config.epochs or done.epoch - done.best_epoch >= config.patience

    def _taken_up(self, checkpoint: Checkpoint) -> _Progress:
        found = checkpoint.load()
        if found is None:
            return _Progress(scores=[self._score()])
        state, arrays = found
        self._tuner.restore(arrays)
        return _Progress(best=arrays.get("best"), **state)

    def _save(self, checkpoint: Checkpoint, done: _Progress) -> None:
        arrays = self._tuner.state()
        if done.best is not None:
            arrays["best"] = done.best
        state = {"epoch": done.epoch, "losses": done.losses, "scores": done.scores}
        checkpoint.save(state, arrays)

    def _epoch(self, epoch: int) -> float:
        """Every pair once, in an order that depends on the seed and the epoch alone; mean loss."""
        rng = np.random.default_rng((self._config.seed, epoch))
        pairs = [(query, own) for query in self._train for own in self._data.answers[query]]
        order = rng.permutation(len(pairs))
        # No small rest: few documents tell little, and the step would be as long.
        count = max(1, len(pairs) // self._config.batch)
        parts = np.array_split(order, count)
        return float(np.mean([self._step([pairs[i] for i in part], epoch) for part in parts]))

    def _step(self, pairs: list[tuple[int, int]], epoch: int) -> float:
        queries = np.array([query for query, _ in pairs])
        wanted = {own for _, own in pairs}
        wanted.update(n for query in queries for n in self._negatives(query, epoch))
        documents = np.array(sorted(wanted))
        place = {document: i for i, document in enumerate(documents.tolist())}
        masked = torch.zeros(len(pairs), len(documents), dtype=torch.bool)
        for row, (query, own) in enumerate(pairs):
            for answer in self._data.answers[query]:
                if answer != own and answer in place:
                    masked[row, place[answer]] = True
        return self._tuner.learn(
            self._queries.pick(queries),
            self._documents.pick(documents),
            torch.tensor([place[own] for _, own in pairs]),
            masked,
        )

    def _negatives(self, query: int, epoch: int) -> Iterator[int]:
        """Some of the query's mined negatives; in the next epoch the next ones."""
        mined = self._mined[query]
        few = min(self._config.negatives, len(mined))
        return (mined[(epoch * few + i) % len(mined)] for i in range(few))

    def _balanced(self) -> list[list[int]]:
        """Of each query the mined negatives that answer another query that is trained on.

        A document that is wrong in every step and right in none is learned to be wrong for
        everything, which those who ask for it later would pay for.
        """
        right = {own for query in self._train for own in self._data.answers[query]}
        return [[n for n in mined if n in right] for mined in self._data.negatives]

    def _score(self, blend: float = 1.0) -> float:
        """nDCG@10 of the held-out queries among all documents."""
        documents = np.arange(len(self._data.documents))
        left = self._tuner.vectors(self._queries.pick(self._apart), queries=True, blend=blend)
        right = self._tuner.vectors(self._documents.pick(documents), queries=False, blend=blend)
        return ndcg((left @ right.T).numpy(), self._held_out_answers())

    def measure(self, encoder: Encoder) -> float:
        """The same of an encoder as it will be used."""
        queries = encoder.encode_queries([self._data.queries[i] for i in self._apart])
        documents = encoder.encode_documents(self._data.documents)
        return ndcg(queries @ documents.T, self._held_out_answers())

    def _held_out_answers(self) -> list[tuple[int, ...]]:
        return [self._data.answers[i] for i in self._apart]

    def best_blend(self, done: _Progress) -> float:
        """The share of the best epoch's moves that the held-out queries like best; 0 for none."""
        if done.best is None:
            return 0.0
        self._tuner.moves = torch.from_numpy(done.best)
        scores = {0.0: done.scores[0]}
        scores |= {blend: self._score(blend) for blend in self._config.blends}
        return max(scores, key=lambda blend: (scores[blend], -blend))

    def table(self, done: _Progress, blend: float) -> npt.NDArray[np.float32]:
        """The whole table, a share of the way to the best epoch's; shape (vocab, dim)."""
        every = np.arange(self._table.vocabulary)
        table = self._table.sums(every, every)
        if done.best is not None:
            table[self._used] += done.best * np.float32(blend)
        return table


def _description(
    config: TuneConfig, base: StaticEncoder, run: _Run, done: _Progress, blend: float
) -> Mapping[str, Any]:
    """What the tuned model says of itself: all that the old one did, and how it was tuned."""
    old = {k: v for k, v in read_config(base.folder).items() if k not in _ANEW}
    return {
        **old,
        "name": config.name or f"{base.name}-tuned",
        "source": f"{base.fingerprint.describe()}, tuned by rolevec.training",
        "training": {
            **run.counts,
            "settings": json.loads(json.dumps(config.to_dict())),
            "epochs": done.epoch,
            "best_epoch": done.best_epoch,
            "blend": blend,
            METRIC: [round(score, 4) for score in done.scores],
            "rolevec": rolevec.__version__,
        },
    }
