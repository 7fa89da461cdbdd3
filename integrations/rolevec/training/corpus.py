"""The tokenizer and the tokenised pairs of a run, made once and kept in its cache folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import cast, get_args

from tokenizers import Tokenizer

from rolevec.encoders.progress import counted, stage
from rolevec.training.config import MADE_FROM, TrainConfig
from rolevec.training.data import Kind, Pair, read_pairs, texts_by_language
from rolevec.training.store import PairStore, build_store, thin
from rolevec.training.teacher import Teacher, ask_teacher
from rolevec.training.tokenizer import LineSampler, save_tokenizer, train_tokenizer

# Enough of a line to learn a vocabulary from; passages would outweigh everything else.
_LINE = 200


def load_tokenizer(config: TrainConfig, prompts: Mapping[str, str], *, progress: bool) -> Tokenizer:
    """The run's tokenizer: from its cache, or learned from a balanced sample of all tables."""
    path = config.cache / "tokenizer.json" if config.cache else None
    if path is not None and path.exists():
        return Tokenizer.from_file(str(path))
    pairs = chain.from_iterable(pairs_of(config, kind) for kind in _kinds())
    sampler = LineSampler(
        texts_by_language(counted(pairs, "reading pairs for a vocabulary", show=progress)),
        config.source_weights,
        config.seed,
    )
    lines, word_lines = (
        [line[:_LINE] for line in sampler.lines(number, temperature)]
        for number, temperature in (
            (config.tokenizer_lines, config.tokenizer_temperature),
            (config.word_lines, config.word_temperature),
        )
    )
    with stage(f"learning a vocabulary of {config.vocab:,} tokens", show=progress):
        tokenizer = train_tokenizer(
            lines, config.vocab, prompts, whole_words=config.whole_words, word_lines=word_lines
        )
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_tokenizer(tokenizer, path)
    return tokenizer


def load_teacher(config: TrainConfig, *, progress: bool) -> Teacher | None:
    """The vectors of the run's teacher: from its cache, or asked for; None without a teacher."""
    if not config.teacher:
        return None
    path = config.cache / "teacher.npz" if config.cache else None
    if path is not None and path.exists():
        return Teacher.load(path)
    pairs = chain.from_iterable(
        _thinned(config, kind) for kind in _kinds() if _is_used(config, kind)
    )
    teacher = ask_teacher(
        config.teacher,
        counted(pairs, "reading pairs for the teacher", show=progress),
        config.teacher_language,
        config.teacher_texts,
        config.seed,
        progress=progress,
        **config.teacher_options,
    )
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        teacher.save(path)
    return teacher


def load_stores(
    config: TrainConfig, tokenizer: Tokenizer, *, progress: bool
) -> tuple[dict[str, PairStore], PairStore]:
    """Pairs to train on by kind, and held-out parallel pairs."""
    stores: dict[str, PairStore] = {}
    held_out = build_store((), tokenizer)
    for kind in _kinds():
        if not _is_used(config, kind):
            continue
        store = _store(config, kind, tokenizer, progress=progress)
        if kind == "parallel":
            store, held_out = store.split(config.held_out)
        stores[kind] = store
    return stores, held_out


def _store(config: TrainConfig, kind: Kind, tokenizer: Tokenizer, *, progress: bool) -> PairStore:
    path = config.cache / f"{kind}.npz" if config.cache else None
    if path is not None and path.exists():
        return PairStore.load(path)
    # Cut before they are counted: a count that is not run to its end would stay on the screen.
    pairs = islice(_thinned(config, kind), config.max_rows if config.max_rows > 0 else None)
    store = build_store(counted(pairs, f"tokens of {kind} pairs", show=progress), tokenizer)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        store.save(path)
    return store


def pairs_of(config: TrainConfig, kind: Kind) -> Iterator[Pair]:
    """The pairs of one kind whose sources a run does not leave out."""
    return read_pairs(config.data, kind, config.exclude_sources)


def _thinned(config: TrainConfig, kind: Kind) -> Iterator[Pair]:
    return thin(pairs_of(config, kind), config.source_weights)


def _is_used(config: TrainConfig, kind: Kind) -> bool:
    shares = (share for name, share in config.mix.items() if MADE_FROM.get(name, name) == kind)
    return any(share > 0 for share in shares)


def _kinds() -> tuple[Kind, ...]:
    return cast("tuple[Kind, ...]", get_args(Kind))
