"""rolevec's static encoder as a peer."""

import json
from pathlib import Path

import numpy as np
from harness import serve

from rolevec import Role, load_encoder

state = {}


def load(texts, folder):
    state["texts"] = json.loads(Path(texts).read_text(encoding="utf-8"))
    state["folder"] = folder
    state["encoder"] = load_encoder(f"static:{folder}")
    state["encoder"].encode_documents(state["texts"][:1000])


def fresh():
    """A newly loaded encoder: no word is known, as at the start of a corpus."""
    state["encoder"] = load_encoder(f"static:{state['folder']}")
    # As many texts as make it prepare itself, none of them from the corpus.
    state["encoder"].encode_documents([f"0{n}" for n in range(600)])


def encode():
    state["rows"] = None
    state["rows"] = state["encoder"].encode(state["texts"], Role.DOCUMENT)
    return len(state["rows"])


def tokenise():
    """The same texts through the tokenizer alone."""
    tokenizer = state["encoder"].tokenizer
    for start in range(0, len(state["texts"]), 4096):
        texts = state["texts"][start : start + 4096]
        tokenizer.encode_batch_fast(texts, add_special_tokens=False)


def sums():
    """The gather and the mean alone, of tokens that are there already."""
    state["encoder"]._table.means(*state["tokens"])


def prepare_sums():
    ids = []
    for start in range(0, len(state["texts"]), 4096):
        texts = state["texts"][start : start + 4096]
        found = state["encoder"].tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ids += [encoding.ids or [0] for encoding in found]
    lengths = np.fromiter(map(len, ids), np.int64, len(ids))
    flat = np.fromiter((i for some in ids for i in some), np.int64, int(lengths.sum()))
    state["tokens"] = (flat, np.cumsum(lengths) - lengths)
    return int(lengths.sum())


def save(path, count):
    np.save(path, state["rows"][:count])


serve(
    load=load, fresh=fresh, encode=encode, tokenise=tokenise, sums=sums,
    prepare_sums=prepare_sums, save=save,
)  # fmt: skip
