"""Rare words are read as the token of what they mean; other texts stay as they are."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from rolevec import Role, load_encoder
from rolevec.encoders.dictionary import ENDING, SHORTEST, Dictionary, Entries, key_of
from rolevec.encoders.static import StaticEncoder

MEANINGS = {
    "ψωμι": "bread",
    "φωτ": "light",
    "νερο": "water",
    "brotlaib": "bread",
    "面包": "bread",
    "水": "water",
    "灯光": "light",
    "물병": "water",
    "خبزة": "bread",
    "אורות": "light",
}
# Tokens that no dictionary needs to know.
TOKENS = ["bread", "light", "water", "בית", "خبز"]  # fmt: skip
ALPHABET = "αειλμνορςτφψωbrotlaihedgw面包水灯光了물병에서والبخزةוהביתארמ1"
PROMPTS = ("query: ", "document: ")


def spoken(pieces):
    tokenizer = Tokenizer(models.Unigram([(p, -float(len(pieces))) for p in pieces], unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    tokenizer.add_special_tokens([AddedToken(p, special=True, normalized=False) for p in PROMPTS])
    return tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model that has tokens for English words, and letters for all others."""
    folder = tmp_path_factory.mktemp("dictionary")
    words = [f"▁{word}" for word in TOKENS]
    tokenizer = spoken(["<unk>", *words, "▁", *sorted({*ALPHABET})])
    tokenizer.save(str(folder / "tokenizer.json"))
    rows = np.random.default_rng(0).normal(0, 1, (tokenizer.get_vocab_size(), 8))
    entries = sorted(
        (key_of(word), tokenizer.token_to_id("▁" + english)) for word, english in MEANINGS.items()
    )
    tensors = {
        "embeddings": rows.astype(np.float32),
        "dictionary_keys": np.array([key for key, _ in entries], np.uint32),
        "dictionary_tokens": np.array([[token, 0, 0] for _, token in entries], np.uint8),
    }
    save_file(tensors, folder / "model.safetensors")
    config = {
        "format": "rolevec-static",
        "name": "read",
        "dim": 8,
        "prompts": {"query": PROMPTS[0], "document": PROMPTS[1]},
        "unk_id": 0,
        "query_id": tokenizer.token_to_id(PROMPTS[0]),
        "tf_power": 0.5,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def encoder(folder):
    with load_encoder(f"static:{folder}") as encoder:
        yield encoder


@pytest.fixture(scope="module")
def dictionary(encoder):
    assert isinstance(encoder, StaticEncoder)
    assert encoder.dictionary is not None
    return encoder.dictionary


@pytest.mark.parametrize(
    ("rare", "plain"),
    [
        ("ψωμι", "bread"),
        ("ψωμιων", "bread"),  # another form
        ("νερο ψωμι", "water bread"),
        ("brotlaibe", "bread"),
        ("brotlai", "brotlai"),  # one letter less is another word
        ("φωτι", "φωτι"),  # its beginning is too short to go by
        ("ψωμιαλαλαλα", "ψωμιαλαλαλα"),  # and this ending too long
        ("1ψωμι", "1ψωμι"),
        ("물병에서", "water"),  # whose letters are syllables
        ("물", "물"),
        ("والخبزة", "bread"),  # "and the"
        ("ובבית", "בית"),  # "and in", before a word that has a token
        ("וותבית", "וותבית"),  # "t" is none
        ("ומהואורות", "ומהואורות"),  # and these are too many
    ],
)
def test_words_are_read_as_what_they_mean(encoder, rare, plain):
    for role in Role.QUERY, Role.DOCUMENT:
        found, expected = encoder.encode([rare], role), encoder.encode([plain], role)
        assert np.allclose(found, expected, atol=1e-6)


def test_where_words_are_not_set_apart_neighbouring_pieces_are_looked_up(encoder, dictionary):
    def read(text):
        ids = np.array(encoder.tokenizer.encode(text).ids)
        tokens, lengths = dictionary.read(ids, np.array([len(ids)]))
        assert lengths.tolist() == [len(tokens)]
        return [encoder.tokenizer.id_to_token(i) for i in tokens]

    assert read("了面包灯光了") == ["▁", "了", "▁bread", "▁light", "了"]
    assert read("水") == ["▁", "水"]  # which one character alone is not


def test_what_is_told_of_tokens_is_told_of_the_first_piece(encoder):
    plain, rare = (encoder.token_rows([text], Role.DOCUMENT).rows[0] for text in ("bread", "ψωμι"))
    assert len(rare) == len(encoder.tokenizer.encode("ψωμι").ids)
    assert np.allclose(rare[0], plain[0], atol=1e-6)
    assert not rare[1:].any()


TEXTS = st.lists(
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["", "", "ו", "ובה", "ال", "وال"]),
        st.sampled_from([*MEANINGS, *TOKENS]),
        st.text(ALPHABET, max_size=7),
    )
    | st.text(ALPHABET, min_size=1, max_size=12),
    min_size=1,
    max_size=12,
)


@given(st.lists(TEXTS.map(" ".join), min_size=1, max_size=6))
def test_texts_are_read_as_by_hand_whatever_stands_beside_them(encoder, dictionary, texts):
    tokenizer = encoder.tokenizer
    ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    lengths = np.array([*map(len, ids)])
    found, sizes = dictionary.read(np.concatenate(ids), lengths)
    assert len(found) == sizes.sum()
    parts = np.split(found, np.cumsum(sizes)[:-1])
    for text, part in zip(texts, parts, strict=True):
        told = "".join(tokenizer.id_to_token(i) for i in part.tolist()).replace("▁", "")
        assert told == "".join(map(by_hand, text.split()))


def by_hand(word):
    """The letters of a word after reading; only those of meanings are not cut into letters."""
    if not word[0].isalpha() or word in TOKENS:
        return word
    if word[0] not in "面包水灯光了":
        return next(filter(None, map(meaning, without_particles(word))), word)
    told, place = "", 0
    while place < len(word):
        # Five pieces, of which the mark of a word is one.
        widest = place + (5 if place else 4)
        ends = range(min(widest, len(word)), place + 1, -1)
        end = next((end for end in ends if word[place:end] in MEANINGS), place + 1)
        told += MEANINGS[word[place:end]] if end > place + 1 else word[place]
        place = end
    return told


def without_particles(word):
    yield word
    for _ in range(3):
        particle = "ال" if word.startswith("ال") else word[0]
        if particle not in ["ال", *"وبلוהבמ"] or len(word) < len(particle) + 3:
            return
        word = word[len(particle) :]
        yield word


def meaning(word):
    if word in TOKENS:
        return word
    ends = range(
        len(word),
        max(2 if word[0] in "물병에서面包水灯光了" else SHORTEST, len(word) - ENDING) - 1,
        -1,
    )
    return next((MEANINGS[word[:end]] for end in ends if word[:end] in MEANINGS), None)


def test_an_empty_dictionary_and_an_empty_text_change_nothing(encoder):
    empty = Dictionary(encoder.tokenizer, Entries.of({}))
    ids = np.array(encoder.tokenizer.encode("ψωμι bread").ids)
    for lengths in ([len(ids), 0], [0, len(ids)]):
        found, sizes = empty.read(ids, np.array(lengths))
        assert np.array_equal(found, ids)
        assert sizes.tolist() == lengths


def test_many_texts_have_the_vectors_of_each_alone(encoder):
    texts = [f"{a} {b}" for a in [*MEANINGS, "ψωμιων"] for b in ("bread", "水了", "τοτε")] * 30
    together = encoder.encode(texts, Role.DOCUMENT)
    alone = {text: encoder.encode([text], Role.DOCUMENT)[0] for text in set(texts)}
    assert np.allclose(together, np.array([alone[text] for text in texts]), atol=1e-6)


def test_the_file_holds_it(folder):
    assert load_file(folder / "model.safetensors")["dictionary_keys"].dtype == np.uint32
