"""The part of a vector that tells how words sound, against one that is written out."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

from rolevec.encoders.sounds import END, VOWEL, Letters, Sounds, SoundSettings, packed
from rolevec.encoders.static import StaticEncoder
from rolevec.errors import ModelNotAvailable
from rolevec.roles import Role

TABLE, DIM, FULL_AT = 16, 24, 6
ROLES = {"query: ": 0.5, "document: ": 0.8}
# Each letter's sounds: vowels, a silent letter, two sounds of one letter, and three scripts.
HEARD = {
    "a": (VOWEL,), "b": (1,), "c": (3,), "d": (5,), "e": (VOWEL,), "h": (), "l": (6,), "ж": (4,),
    "д": (5,), "κ": (3,), "ξ": (3, 4), "が": (3, VOWEL), "\u0301": (),
}  # fmt: skip
TEXTS = st.lists(
    st.text([*HEARD, " ", ",", "7"], max_size=40).filter(lambda t: t.strip(" ,")),
    min_size=1,
    max_size=8,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model that cuts most words into letters, with a matrix for queries."""
    folder = tmp_path_factory.mktemp("sounds")
    pieces = ["<unk>", "▁", *HEARD, *(f"▁{one}" for one in HEARD), "▁abc", "led", "▁,", ",", "7"]
    tokenizer = Tokenizer(models.Unigram([(piece, -len(pieces)) for piece in pieces], unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(Regex(","), "isolated"),
            pre_tokenizers.Metaspace(prepend_scheme="always"),
        ]
    )
    tokenizer.add_special_tokens([AddedToken(p, special=True, normalized=False) for p in ROLES])
    tokenizer.save(str(folder / "tokenizer.json"))
    rng = np.random.default_rng(0)
    shapes = {"embeddings": (tokenizer.get_vocab_size(), TABLE), "query_map": (TABLE, TABLE)}
    tensors = {n: rng.normal(0, 0.3, shape).astype(np.float32) for n, shape in shapes.items()}
    letters = sorted(HEARD)
    tensors["letters"] = np.array([ord(letter) for letter in letters], np.int32)
    tensors["letter_sounds"] = np.array([packed(HEARD[x]) for x in letters], np.uint16)
    save_file(tensors, folder / "model.safetensors")
    query, document = ROLES.values()
    config = {
        "format": "rolevec-static",
        "name": "sounds",
        "dim": TABLE + DIM,
        "prompts": {"query": "query: ", "document": "document: "},
        "unk_id": 0,
        "tf_power": 0.5,
        "query_id": tokenizer.token_to_id("query: "),
        "document_id": tokenizer.token_to_id("document: "),
        "sounds": {"query": query, "document": document, "full_at": FULL_AT, "dim": DIM},
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def encoder(folder):
    return StaticEncoder(folder)


def unit(vector):
    length = np.linalg.norm(vector)
    return vector / length if length else vector


def words(pieces):
    """What is heard of each word: consonants, and a first vowel."""
    found = [[]]
    for letter in "".join(pieces):
        if letter in HEARD:
            found[-1] += HEARD[letter]
        else:
            found.append([])
    for word in found:
        before = [None, *word]
        yield tuple(
            symbol
            for place, symbol in enumerate(word)
            if (place == 0 if symbol == VOWEL else symbol != before[place])
        )


def mixed(number):
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        number = ((number ^ number >> 33) * factor) % 2**64
    return number ^ number >> 33


def part(pieces):
    """The dimensions of sounds, one stretch and one word after the other."""
    counts = Counter()
    for word in words(pieces):
        counts.update(packed(word[i : i + 4]) for i in range(len(word) - 3))
        if len(word) >= 3:
            base = 0x9E3779B97F4A7C15
            whole = sum(symbol * base ** (i + 1) for i, symbol in enumerate(word)) % 2**64
            counts[whole ^ 0xD1B54A32D192ED03] += 1
    vector = np.zeros(DIM)
    for feature, count in counts.items():
        for quarter in mixed(feature).to_bytes(8, "little").hex(" ", 2).split():
            number = int.from_bytes(bytes.fromhex(quarter), "little")
            vector[number % 2**15 % DIM] += count**0.5 * (-1 if number >> 15 else 1)
    return unit(vector)


def by_hand(encoder, folder, text, prompt):
    tensors = load_file(folder / "model.safetensors")
    encoding = encoder.tokenizer.encode(prompt + text)
    tokens = [i for i in encoding.ids if i != 0] or encoding.ids
    mean = unit(sum(tensors["embeddings"][i] * n**0.5 for i, n in Counter(tokens).items()))
    weight = ROLES[prompt]
    if prompt == "query: ":
        mean = unit(mean @ (np.eye(TABLE) + tensors["query_map"]))
    else:
        weight *= min(1, (len(tokens) - 1) / FULL_AT)
    heard = part(encoder.tokenizer.id_to_token(i) for i in tokens[1:])
    return unit(np.concatenate([mean, weight * heard]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(TEXTS, st.sampled_from([Role.QUERY, Role.DOCUMENT]))
def test_vectors_are_those_of_tokens_and_sounds_one_by_one(encoder, folder, texts, role):
    expected = [by_hand(encoder, folder, text, f"{role.value}: ") for text in texts]
    assert np.allclose(encoder.encode(texts, role), expected, atol=1e-5)


def test_a_word_sounds_the_same_in_every_script(encoder):
    texts = ["cadabeh", "κadbe", "がдb\u0301", "dacabl"]
    heard = encoder.encode(texts, Role.QUERY)[:, TABLE:]
    products = heard @ heard.T / np.linalg.norm(heard, axis=1) ** 2
    assert np.allclose(products[:3, :3], 1, atol=1e-6)
    assert np.abs(products[3, :3]).max() < 0.8


@pytest.mark.parametrize("role", [Role.QUERY, Role.DOCUMENT])
def test_company_changes_nothing_nor_does_the_cache_of_words(encoder, role):
    rng = np.random.default_rng(1)
    some = ["abcled", "bad", "cab", "a", "lξde, bead7b", "x", "жade", "がbがd"]
    texts = [" ".join(rng.choice(some, rng.integers(1, 30))) + " a" for _ in range(700)]
    many = encoder.encode(texts, role)
    for place in range(0, 700, 70):
        assert np.allclose(encoder.encode([texts[place]], role)[0], many[place], atol=1e-6)


def test_the_first_dimensions_are_what_they_are_without(folder, encoder, altered):
    plain = StaticEncoder(altered(folder, sounds=None, dim=TABLE))
    texts = ["lξde bead", "cab"]
    for role in (Role.QUERY, Role.DOCUMENT):
        cut = encoder.encode(texts, role, dimensions=TABLE)
        assert np.allclose(cut, plain.encode(texts, role), atol=1e-6)


def test_a_text_without_the_prompts_of_the_model_has_no_sounds(folder):
    bare = StaticEncoder(folder, prompts={"query": "", "document": ""})
    mixed_up = StaticEncoder(folder, prompts={"query": "", "document": "document: "})
    texts = ["lξde bead", "cab"]
    for vectors in (bare.encode_documents(texts), mixed_up.encode_queries(texts)):
        assert not vectors[:, TABLE:].any()
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert mixed_up.encode_documents(texts)[0, TABLE:].any()


def test_what_nobody_trained_is_the_same_everywhere(encoder):
    """Vectors in a collection must not depend on the machine or on numpy."""
    heard = Sounds(
        SoundSettings(1, 1, dim=8),
        encoder.tokenizer,
        Letters(np.array([ord("b"), ord("c"), ord("d")]), np.array([1, 3, 5], np.uint16)),
        query=encoder.tokenizer.token_to_id("query: "),
        document=None,
        tf_power=1,
    )
    ids = np.array(encoder.tokenizer.encode("query: bcdbcd").ids)
    rows = np.ones((1, 9), np.float32)
    heard.fill(rows, np.array([0]), ids, np.array([len(ids)]))
    assert np.linalg.norm(rows[0, 1:]) == pytest.approx(1)
    smallest = np.abs(rows[0, 1:])[rows[0, 1:] != 0].min()
    assert np.rint(rows[0, 1:] / smallest).tolist() == [0, 0, 0, 0, -1, 2, 2, -1]


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (3, "no table of query, document, full_at, dim"),
        ({"query": 1}, "no table of"),
        ({"query": 1, "document": 1, "more": 1}, "no table of"),
        ({"query": -1, "document": 1}, "query=-1 is not at least 0"),
        ({"query": "1", "document": 1}, "query='1' is not at least 0"),
        ({"query": float("nan"), "document": 1}, "query=nan"),
        ({"query": 1, "document": 1, "full_at": 0}, "full_at=0 is not at least 1"),
        ({"query": 1, "document": 1, "dim": 1.5}, "dim=1.5 is no number of dimensions"),
    ],
)
def test_settings_that_mean_nothing_are_refused_by_name(folder, altered, facts, said):
    with pytest.raises(ModelNotAvailable, match=rf"config\.json: sounds.*{said}"):
        StaticEncoder(altered(folder, sounds=facts))


def test_what_does_not_go_together_is_refused(folder, altered):
    sounds = {"query": 1, "document": 1, "dim": DIM + 1}
    with pytest.raises(ModelNotAvailable, match="does not fit"):
        StaticEncoder(altered(folder, sounds=sounds))
    silent = altered(folder)
    tensors = load_file(silent / "model.safetensors")
    save_file({"embeddings": tensors["embeddings"]}, silent / "model.safetensors")
    with pytest.raises(ModelNotAvailable, match="a table without letters"):
        StaticEncoder(silent)


def test_pieces_that_are_long_end_somewhere(folder, encoder):
    long = "ξa" * 400
    assert np.isfinite(encoder.encode([long], Role.QUERY)).all()
    assert END not in {symbol for word in HEARD.values() for symbol in word}
