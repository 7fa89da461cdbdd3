"""Pairs of pieces: what they add, where they add nothing, and that it is the same everywhere."""

import hashlib
import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

from rolevec.encoders.adjacent import _BUCKETS, PairSettings, _bucket, _SignRows
from rolevec.encoders.static import StaticEncoder
from rolevec.errors import ModelNotAvailable
from rolevec.roles import Role

DIM, FIRST, FULL_AT = 32, 16, 6
ROLES = {"query: ": 1.5, "document: ": 2.0}
LETTERS = "abcdef"
TEXTS = st.lists(
    st.text(LETTERS + " ,?", max_size=40).filter(lambda t: t.strip(" ,?")), min_size=1, max_size=8
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model that cuts most words into letters, with a matrix for queries and pairs of pieces."""
    folder = tmp_path_factory.mktemp("pairs")
    pieces = ["<unk>", "▁", *LETTERS, *(f"▁{one}" for one in LETTERS), "▁abc", "def", "▁,", ","]
    tokenizer = Tokenizer(models.Unigram([(piece, -len(pieces)) for piece in pieces], unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(Regex("[,?]"), "isolated"),
            pre_tokenizers.Metaspace(prepend_scheme="always"),
        ]
    )
    tokenizer.add_special_tokens([AddedToken(p, special=True, normalized=False) for p in ROLES])
    tokenizer.save(str(folder / "tokenizer.json"))
    rng = np.random.default_rng(0)
    shapes = {"embeddings": (tokenizer.get_vocab_size(), DIM), "query_map": (DIM, DIM)}
    save_file(
        {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()},
        folder / "model.safetensors",
    )
    query, document = ROLES.values()
    config = {
        "format": "rolevec-static",
        "name": "pairs",
        "dim": DIM,
        "prompts": {"query": "query: ", "document": "document: "},
        "unk_id": 0,
        "tf_power": 0.5,
        "query_id": tokenizer.token_to_id("query: "),
        "document_id": tokenizer.token_to_id("document: "),
        "piece_pairs": {
            "query": query, "document": document, "full_at": FULL_AT, "first": FIRST,
        },
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def encoder(folder):
    return StaticEncoder(folder)


def unit(vector):
    return vector / np.linalg.norm(vector)


def by_hand(encoder, folder, text, prompt):
    """The vector of a text, one token and one pair after the other."""
    tensors = load_file(folder / "model.safetensors")
    encoding = encoder.tokenizer.encode(prompt + text)
    tokens = [i for i in encoding.ids if i != 0] or encoding.ids
    vector = sum(tensors["embeddings"][i] * n**0.5 for i, n in Counter(tokens).items())
    length = np.linalg.norm(vector)
    if prompt == "query: ":
        vector = unit(unit(vector) @ (np.eye(DIM) + tensors["query_map"])) * length
    words = []
    for i in tokens[1:]:
        piece = encoder.tokenizer.id_to_token(i)
        if piece.startswith("▁") or not words:
            words.append([])
        if piece != "▁":
            words[-1].append(i)
    counts, weights = Counter(), Counter()
    for word in words:
        for pair in pairwise(word):
            counts[pair] += 1
            weights[pair] += (len(word) - 1) ** -0.5
    weight = ROLES[prompt]
    if prompt == "document: ":
        weight *= min(1, (len(tokens) - 1) / FULL_AT)
    signs = _SignRows(DIM - FIRST)
    for (left, right), total in weights.items():
        row = signs.unpacked(_bucket(np.array([left]), np.array([right])))[0]
        vector[FIRST:] += weight * total * counts[left, right] ** -0.5 * row
    return unit(vector)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(TEXTS, st.sampled_from([Role.QUERY, Role.DOCUMENT]))
def test_vectors_are_those_of_tokens_and_pairs_one_by_one(encoder, folder, texts, role):
    expected = [by_hand(encoder, folder, text, f"{role.value}: ") for text in texts]
    assert np.allclose(encoder.encode(texts, role), expected, atol=1e-5)


@pytest.mark.parametrize("role", [Role.QUERY, Role.DOCUMENT])
def test_company_changes_nothing_nor_does_the_cache_of_words(encoder, role):
    rng = np.random.default_rng(1)
    words = ["abcdef", "bad", "cab", "a", "faced, bead?", "x", "dead"]
    texts = [" ".join(rng.choice(words, rng.integers(1, 30))) + " a" for _ in range(700)]
    many = encoder.encode(texts, role)
    for place in range(0, 700, 70):
        assert np.allclose(encoder.encode([texts[place]], role)[0], many[place], atol=1e-6)


def test_the_first_dimensions_are_what_they_are_without(folder, encoder, altered):
    plain = StaticEncoder(altered(folder, piece_pairs=None))
    texts = ["faced bead", "cab"]
    for role in (Role.QUERY, Role.DOCUMENT):
        cut = [e.encode(texts, role, dimensions=FIRST) for e in (encoder, plain)]
        assert np.allclose(*cut, atol=1e-6)
        assert not np.allclose(encoder.encode(texts, role), plain.encode(texts, role), atol=1e-2)


def test_a_text_without_the_prompts_of_the_model_has_no_pairs(folder, altered):
    bare = {"query": "", "document": ""}
    plain = StaticEncoder(altered(folder, piece_pairs=None), prompts=bare)
    with_pairs = StaticEncoder(folder, prompts=bare)
    texts = ["faced bead", "cab"]
    assert np.array_equal(with_pairs.encode_documents(texts), plain.encode_documents(texts))


def test_rows_of_pairs_are_of_length_one_at_right_angles_and_the_same_everywhere():
    rows = _SignRows(512)
    assert len(rows) == _BUCKETS
    some = rows.unpacked(np.random.default_rng(0).integers(0, _BUCKETS, 400))
    products = some @ some.T
    assert np.allclose(products.diagonal(), 1)
    assert np.abs(products - np.eye(400)).max() < 0.25
    assert abs(some.mean()) < 1e-3
    signs = rows.unpacked(np.array([0, 1 << 19, _BUCKETS - 1])) > 0
    assert hashlib.sha256(np.packbits(signs)).hexdigest()[:12] == "e861214edd80"
    left, right = np.array([1, 2, 123_999]), np.array([2, 1, 7])
    assert _bucket(left, right).tolist() == [138594, 678606, 493302]


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (3, "no table of query, document, full_at, first"),
        ({"query": 1}, "no table of"),
        ({"query": 1, "document": 1, "more": 1}, "no table of"),
        ({"query": -1, "document": 1}, "query=-1 is not at least 0"),
        ({"query": "1", "document": 1}, "query='1' is not at least 0"),
        ({"query": float("nan"), "document": 1}, "query=nan"),
        ({"query": 1, "document": 1, "full_at": 0}, "full_at=0 is not at least 1"),
        ({"query": 1, "document": 1, "first": 1.5}, "first=1.5 is no dimension"),
        ({"query": 1, "document": 1, "first": DIM}, f"first={DIM} with {DIM} dimensions"),
    ],
)
def test_settings_that_mean_nothing_are_refused_by_name(folder, altered, facts, said):
    with pytest.raises(ModelNotAvailable, match=rf"config\.json: piece_pairs.*{said}"):
        StaticEncoder(altered(folder, piece_pairs=facts))


def test_lengths_of_a_recipe_become_units_of_the_table():
    settings = PairSettings(0.5, 0.6, first=512)
    assert settings.times(5.508111) == PairSettings(2.7541, 3.3049, 40, 512)
