"""The tokenizer and the tokenised pairs of a run, made once and kept in its cache folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import cast, get_args

from tokenizers import Tokenizer

from rolevec.training.config import TrainConfig
from rolevec.training.data import Kind, Pair, read_pairs, texts_by_language
from rolevec.training.store import PairStore, build_store, thin
from rolevec.training.tokenizer import sample_lines, save_tokenizer, train_tokenizer

# Enough of a line to learn a vocabulary from; passages would outweigh everything else.
_LINE = 200


def load_tokenizer(config: TrainConfig, prompts: Mapping[str, str]) -> Tokenizer:
    """The run's tokenizer: from its cache, or learned from a balanced sample of all tables."""
    path = config.cache / "tokenizer.json" if config.cache else None
    if path is not None and path.exists():
        return Tokenizer.from_file(str(path))
    lines = sample_lines(
        texts_by_language(chain.from_iterable(_pairs(config, kind) for kind in _kinds())),
        config.tokenizer_lines,
        config.temperature,
        config.source_weights,
        config.seed,
    )
    tokenizer = train_tokenizer([line[:_LINE] for line in lines], config.vocab, prompts)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_tokenizer(tokenizer, path)
    return tokenizer


def load_stores(
    config: TrainConfig, tokenizer: Tokenizer
) -> tuple[dict[str, PairStore], PairStore]:
    """Pairs to train on by kind, and held-out parallel pairs."""
    stores: dict[str, PairStore] = {}
    held_out = build_store((), tokenizer)
    for kind in _kinds():
        if not any(_uses(name, kind) and share > 0 for name, share in config.mix.items()):
            continue
        store = _store(config, kind, tokenizer)
        if kind == "parallel":
            store, held_out = store.split(config.held_out)
        stores[kind] = store
    return stores, held_out


def _store(config: TrainConfig, kind: Kind, tokenizer: Tokenizer) -> PairStore:
    path = config.cache / f"{kind}.npz" if config.cache else None
    if path is not None and path.exists():
        return PairStore.load(path)
    pairs = thin(_pairs(config, kind), config.source_weights)
    store = build_store(pairs, tokenizer, config.max_rows)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        store.save(path)
    return store


def _pairs(config: TrainConfig, kind: Kind) -> Iterator[Pair]:
    return read_pairs(config.data, kind, config.exclude_sources)


def _uses(name: str, kind: Kind) -> bool:
    return name == kind or (name == "passage" and kind == "parallel")


def _kinds() -> tuple[Kind, ...]:
    return cast("tuple[Kind, ...]", get_args(Kind))
