"""Train a token table: means of rows, symmetric InfoNCE over a batch, sparse updates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer

from rolevec.encoders.dictionary import Entries
from rolevec.encoders.progress import counter, stage
from rolevec.training.batches import BatchMaker, bags
from rolevec.training.config import TrainConfig
from rolevec.training.corpus import load_stores, load_teacher, load_tokenizer, pairs_of
from rolevec.training.data import Pair
from rolevec.training.dictionary import dictionary_of
from rolevec.training.export import export
from rolevec.training.learner import TableLearner
from rolevec.training.letters import letters_of
from rolevec.training.memory import keep_freed_memory
from rolevec.training.record import pairs_by_language, training_record
from rolevec.training.result import TrainResult
from rolevec.training.stems import Families
from rolevec.training.store import PairStore
from rolevec.training.teaching import Teaching
from rolevec.training.wordpairs import cut_words, word_pairs

PROMPTS = {"query": "query: ", "document": "document: "}

_DEVELOPMENT_PAIRS = 2000
# Pairs from which on a model says that it knows a language.
_ENOUGH = 5000


def train_static(config: TrainConfig, *, progress: bool = True) -> TrainResult:
    """Train a static model, or go on with a run that was killed.

    The tokenizer, the tokenised pairs, the teacher's vectors and a checkpoint are kept in
    ``config.cache``; a second run with the same settings starts from them. Equal settings and data
    give equal tables on one machine.

    Args:
        config: settings; see `TrainConfig`.
        progress: show steps a second, loss, pairs a second and time left on standard error.

    Raises:
        ValueError: the data folder holds no pairs of the kinds asked for.
        UnknownModel, ModelNotAvailable: no such teacher; see `load_encoder`.
    """
    torch.manual_seed(config.seed)
    keep_freed_memory()
    tokenizer = load_tokenizer(config, PROMPTS, progress=progress)
    # Before the steps: a package that it lacks should not be missed after hours.
    letters = letters_of(tokenizer) if config.sounds else None
    stores, held_out = load_stores(config, tokenizer, progress=progress)
    query, document = (tokenizer.encode(PROMPTS[r]).ids[0] for r in ("query", "document"))
    batches = BatchMaker(stores, config, query, document)
    teacher = load_teacher(config, progress=progress)
    teaching = Teaching(teacher, config) if teacher else None
    frequencies = _frequencies(stores, tokenizer.get_vocab_size())
    table = TableLearner(config, frequencies, query, teaching, _families(config, tokenizer))
    table.resume()
    with counter(
        config.steps, f"training {config.name}", show=progress, note=table.describe, done=table.step
    ) as advance:
        _loop(config, batches, table, advance)
    development = _bitext(table, held_out, document, config.tf_power) if len(held_out) else None
    rows = table.rows.whole()
    entries = _entries(config, stores, tokenizer, rows, progress=progress)
    # Behind the dictionary, which takes more memory than the steps.
    record = training_record(
        config, stores, teacher, seconds=table.seconds, development=development
    )
    by_use = np.argsort(-frequencies, kind="stable")
    with stage("packing the table", show=progress):
        folder = export(
            config.output,
            tokenizer,
            rows,
            _description(config, stores, tokenizer) | {"training": record},
            config.bits,
            refined=np.sort(by_use[: config.refined]),
            coarse=by_use[len(by_use) - config.coarse :],
            query_map=table.query_map.numpy() if table.query_map else None,
            letters=letters,
            entries=entries,
        )
    return TrainResult(folder, f"static:{folder}", tuple(table.losses), development)


def _loop(config: TrainConfig, batches: BatchMaker, table: TableLearner, advance: Any) -> None:
    """The next batch is gathered in a thread while the last one is learned from."""
    with ThreadPoolExecutor(1) as drawer:
        pending = drawer.submit(batches.draw, table.step)
        while table.step < config.steps:
            batch = pending.result()
            pending = drawer.submit(batches.draw, table.step + 1)
            table.learn(batch)
            advance(1)
            if table.step % config.checkpoint_steps == 0:
                table.save()


def _entries(
    config: TrainConfig,
    stores: Mapping[str, PairStore],
    tokenizer: Tokenizer,
    rows: npt.NDArray[np.float32],
    *,
    progress: bool,
) -> Entries | None:
    if not config.dictionary:
        return None
    pairs: Iterator[Pair] = pairs_of(config, "lexicon")
    spared: Iterator[str] = iter(())
    if (sentences := stores.get("parallel")) is not None:
        pairs = chain(pairs, word_pairs(sentences, tokenizer))
        spared = cut_words(sentences, tokenizer)
    with stage("making the dictionary", show=progress):
        return dictionary_of(pairs, tokenizer, rows, config.dictionary, spared)


def _families(config: TrainConfig, tokenizer: Tokenizer) -> Families | None:
    if not config.stems:
        return None
    pieces = [tokenizer.id_to_token(i) or "" for i in range(tokenizer.get_vocab_size())]
    found = Families.of(pieces, config.stems)
    return found if found.count else None


def _frequencies(stores: Mapping[str, PairStore], vocab: int) -> npt.NDArray[np.float64]:
    counts = np.ones(vocab)
    for store in stores.values():
        counts += np.bincount(store.flat, minlength=vocab)
    return np.asarray(counts / counts.sum())


def _bitext(table: TableLearner, pairs: PairStore, document: int, tf_power: float) -> float:
    """Share of held-out left texts whose nearest right text is their own, distinct rights only."""
    _, first = np.unique(pairs.right, return_index=True)
    chosen = np.random.default_rng(0).permutation(first)[:_DEVELOPMENT_PAIRS]
    roles = np.full(len(chosen), document)
    sides = [
        table.vectors(bags(pairs, texts, roles, tf_power=tf_power))
        for texts in (pairs.left[chosen], pairs.right[chosen])
    ]
    found = (sides[0] @ sides[1].T).argmax(dim=1)
    return float((found == torch.arange(len(chosen))).float().mean())


def _description(
    config: TrainConfig,
    stores: Mapping[str, PairStore],
    tokenizer: Tokenizer,
) -> dict[str, Any]:
    """What the exported model says of itself."""
    pairs = pairs_by_language(stores)
    enough = sorted(lang for lang, count in pairs.items() if count >= _ENOUGH)
    dims = [*config.matryoshka, config.dim]
    description: dict[str, Any] = {} if config.ridge is None else {"ridge": config.ridge}
    if config.sounds is not None:
        dims.append(config.dim + config.sounds.dim)
        description["document_id"] = tokenizer.encode(PROMPTS["document"]).ids[0]
        description["sounds"] = asdict(config.sounds)
    return description | {
        "name": config.name,
        "license": config.licence,
        "max_tokens": config.max_tokens,
        "prompts": PROMPTS,
        "unk_id": tokenizer.token_to_id("<unk>"),
        "tf_power": config.tf_power,
        "query_id": tokenizer.encode(PROMPTS["query"]).ids[0],
        "matryoshka_dims": dims,
        "languages": sorted({"eng", *enough}),
        "source": "trained by rolevec.training",
    }
