"""What a transformer learns from: rows of one kind, in one pair of roles, as columns of texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np

from rolevec.encoders.protocol import Encoder
from rolevec.roles import Role
from rolevec.training.data import Kind, language_shares, read_pairs, text_key
from rolevec.training.hard import HardNegatives, read_hard_negatives
from rolevec.training.records import SUFFIXES
from rolevec.training.store import thin
from rolevec.training.transformer_config import HARD, TransformerConfig

# Kinds whose left side asks for the right one; of all others neither side is special.
_DIRECTED = (HARD, "retrieval")
_DEVELOPMENT_PAIRS = 2000


@dataclass(frozen=True, slots=True)
class Examples:
    """Rows that may stand in one batch.

    Attributes:
        name: of the table, and of the role where a table is used in two.
        columns: "anchor", "positive", and "negative_1" and so on: all of the same length.
        anchor_role: of the first column; the others are documents.
        symmetric: the anchor must be found by the positive too.
    """

    name: str
    columns: dict[str, list[str]]
    anchor_role: Role
    symmetric: bool

    def __len__(self) -> int:
        return len(self.columns["anchor"])


@dataclass(frozen=True, slots=True)
class Development:
    """Pairs that were kept from training; the right sides are distinct documents."""

    lefts: list[str]
    rights: list[str]
    role: Role

    def score(self, encoder: Encoder) -> float:
        """Share of left sides whose nearest right side is their own."""
        left = encoder.encode(self.lefts, self.role)
        right = encoder.encode_documents(self.rights)
        return float(((left @ right.T).argmax(axis=1) == np.arange(len(left))).mean())


def load_examples(
    config: TransformerConfig, *, two_roles: bool
) -> tuple[list[Examples], Development | None]:
    """Read the tables.

    Args:
        config: says which.
        two_roles: a query and a document are prompted differently, so that translations have to be
            seen as both.

    Raises:
        ValueError: there is no row to train on.
    """
    examples: list[Examples] = []
    directed: list[HardNegatives] = []
    others: list[HardNegatives] = []
    for kind in config.kinds:
        rows = _chosen(config, kind)
        apart = [row for row in rows if _is_held_out(row, config)]
        rows = [row for row in rows if not _is_held_out(row, config)]
        if kind in _DIRECTED:
            directed += apart
            examples += _directed(kind, rows, config.negatives)
        else:
            others += apart
            examples += _symmetric(kind, rows, two_roles=two_roles)
    examples = [part for part in examples if len(part)]
    if not examples:
        raise ValueError(
            f"no pairs of the kinds {', '.join(config.kinds)} were found in the data folder"
        )
    return examples, _development(directed, Role.QUERY) or _development(others, Role.DOCUMENT)


def _rows(config: TransformerConfig, kind: str) -> Iterator[tuple[str, HardNegatives]]:
    """The language of each row's left side, "" where it is not known, and the row."""
    if kind == HARD:
        for path in sorted(config.data.glob(f"{HARD}*")):
            if path.name.endswith(SUFFIXES):
                yield from (("", row) for row in read_hard_negatives(path))
        return
    named: Kind = kind  # type: ignore[assignment]  # checked by the settings
    pairs = read_pairs(config.data, named, config.exclude_sources)
    for pair in thin(pairs, config.source_weights):
        yield pair.left_lang, HardNegatives(pair.left, pair.right)


def _chosen(config: TransformerConfig, kind: str) -> list[HardNegatives]:
    """At most ``max_rows`` rows, languages shared out by temperature, in the order of the tables.

    They are read twice, first for their languages alone, so that only what is used is in memory.
    """
    if not config.max_rows:
        return [row for _, row in _rows(config, kind)]
    places: dict[str, list[int]] = {}
    for place, (lang, _) in enumerate(_rows(config, kind)):
        places.setdefault(lang, []).append(place)
    if sum(map(len, places.values())) <= config.max_rows:
        return [row for _, row in _rows(config, kind)]
    shares = language_shares({k: float(len(v)) for k, v in places.items()}, config.temperature)
    rng, kept = np.random.default_rng(config.seed), set[int]()
    for lang, share in sorted(shares.items()):
        most = max(1, round(share * config.max_rows))
        kept.update(rng.permutation(places[lang])[:most].tolist())
    return [row for place, (_, row) in enumerate(_rows(config, kind)) if place in kept]


def _is_held_out(row: HardNegatives, config: TransformerConfig) -> bool:
    # By the right side, so that it is apart from training in every kind of table.
    return config.held_out > 0 and text_key(row.positive) % config.held_out == 0


def _directed(kind: str, rows: list[HardNegatives], most: int) -> Iterator[Examples]:
    """Queries with negatives, and those without: a column holds a text in every row."""
    with_some = [row for row in rows if row.negatives]
    without = [row for row in rows if not row.negatives]
    if with_some:
        yield _columns(kind, with_some, Role.QUERY, most)
    yield _columns(f"{kind}-pairs" if with_some else kind, without, Role.QUERY)


def _symmetric(kind: str, rows: list[HardNegatives], *, two_roles: bool) -> Iterator[Examples]:
    """Every second row, either side of it in turn, asks with the query's prompt."""
    if not two_roles:
        yield _columns(kind, rows, Role.DOCUMENT, symmetric=True)
        return
    yield _columns(kind, rows[::2], Role.DOCUMENT, symmetric=True)
    asked = [
        HardNegatives(row.positive, row.query) if turn % 2 else row
        for turn, row in enumerate(rows[1::2])
    ]
    yield _columns(f"{kind}-query", asked, Role.QUERY, symmetric=True)


def _columns(
    name: str, rows: list[HardNegatives], role: Role, negatives: int = 0, symmetric: bool = False
) -> Examples:
    columns = {"anchor": [row.query for row in rows], "positive": [row.positive for row in rows]}
    if negatives:
        # A row with too few begins again with its first.
        filled = [list(islice(cycle(row.negatives), negatives)) for row in rows]
        columns |= {f"negative_{i + 1}": [texts[i] for texts in filled] for i in range(negatives)}
    return Examples(name, columns, role, symmetric)


def _development(rows: list[HardNegatives], role: Role) -> Development | None:
    pairs = {row.positive: row.query for row in rows}
    if not pairs:
        return None
    rights = sorted(pairs)
    chosen = np.random.default_rng(0).permutation(len(rights))[:_DEVELOPMENT_PAIRS]
    kept = [rights[i] for i in chosen.tolist()]
    return Development([pairs[right] for right in kept], kept, role)
