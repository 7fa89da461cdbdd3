"""Which words come into a dictionary, and what a trained model makes of it."""

import numpy as np
import pytest

from rolevec import Role, load_encoder
from rolevec.encoders.dictionary import key_of
from rolevec.training import TrainConfig, train
from rolevec.training.data import Pair
from rolevec.training.dictionary import dictionary_of
from rolevec.training.tokenizer import train_tokenizer

ENGLISH = "bread baker water light house"


@pytest.fixture(scope="module")
def tokenizer():
    words = f"{ENGLISH} brot wasser"
    return train_tokenizer([words] * 9, 200, {}, whole_words=0.9)


def entries_of(pairs, tokenizer, most=99, spared=()):
    rows = np.random.default_rng(1).normal(0, 1, (tokenizer.get_vocab_size(), 16))
    near, other = (tokenizer.token_to_id(f"▁{word}") for word in ("bread", "baker"))
    rows[near] = rows[other] + 0.1
    pairs = [Pair(word, "xxx", english, "eng", "made up") for word, english in pairs]
    entries = dictionary_of(pairs, tokenizer, rows.astype(np.float32), most, spared)
    numbers = (entries.tokens @ (1 << 8 * np.arange(3))).tolist()
    tokens = dict(zip(entries.keys.tolist(), numbers, strict=True))
    assert [*tokens] == sorted(tokens)
    return {key: tokenizer.id_to_token(token)[1:] for key, token in tokens.items()}


def test_a_word_is_found_by_its_beginning(tokenizer):
    found = entries_of([("Ekmekler", "Bread")], tokenizer)
    assert found == {key_of("ekmek"): "bread"}  # by which "ekmekl" and the rest are found, too


def test_beginnings_of_several_meanings_are_left_out(tokenizer):
    found = entries_of([("fornaio", "bread"), ("fornace", "light")], tokenizer)
    assert found[key_of("fornai")] == "bread"
    assert found[key_of("fornac")] == "light"
    assert not {key_of("forn"), key_of("forna")} & found.keys()
    about_the_same = entries_of([("fornaio", "bread"), ("fornaia", "baker")], tokenizer)
    assert set(about_the_same.values()) <= {"bread", "baker"}
    assert key_of("forn") in about_the_same


def test_a_beginning_is_left_out_if_words_are_found_by_it_that_mean_something_else(tokenizer):
    found = entries_of(
        [("kündx", "water"), ("kündigen", "bread"), ("kündigen", "light")], tokenizer
    )
    assert found == {}  # "kündig" means two things, and "künd", by which it would be found, a third
    assert entries_of([("kündx", "water")], tokenizer) == {key_of("künd"): "water"}


def test_what_has_a_token_and_what_means_more_than_one_needs_no_entry(tokenizer):
    pairs = [("brot", "bread"), ("pan", "bread"), ("pain au lait", "bread"), ("вода", "two words")]
    assert entries_of(pairs, tokenizer) == {}
    assert entries_of([("面包", "bread")], tokenizer) == {key_of("面包"): "bread"}


def test_of_scripts_without_spaces_the_part_is_enough(tokenizer):
    pairs = [("面包", "bread"), ("了面包", "bread"), ("包里", "house"), ("面包里", "light")]
    found = {"面包": "bread", "包里": "house", "面包里": "light"}
    assert entries_of(pairs, tokenizer) == {key_of(word): found[word] for word in found}


def test_no_entry_makes_another_of_what_is_translated_into(tokenizer):
    pairs = [("acquario", "water"), ("lumière", "light")]
    assert set(entries_of(pairs, tokenizer).values()) == {"water", "light"}
    found = entries_of(pairs, tokenizer, spared=["lumiest", "acquarelle"])
    assert found == {key_of("acquari"): "water", key_of("lumiè"): "light"}


def test_the_shortest_are_kept(tokenizer):
    pairs = [("lumière", "light"), ("acqua", "water"), ("lágrimas", "house")]
    assert len(entries_of(pairs, tokenizer)) == 3
    assert entries_of(pairs, tokenizer, 1) == {key_of("acqu"): "water"}


def test_a_trained_model_reads_with_it(tmp_path):
    words = dict(zip(ENGLISH.split(), ["brot", "backer", "wasser", "licht", "haus"], strict=True))
    rng = np.random.default_rng(2)
    rows = [" ".join(rng.permutation([*words])[:3]) for _ in range(300)]
    data = tmp_path / "data"
    data.mkdir()
    lines = [f"{row}\tdeu\t{' '.join(words[w] for w in row.split())}\tx\n" for row in rows]
    (data / "parallel.tsv").write_text("".join(lines), encoding="utf-8")
    lexicon = [f"{english}\tell\t{greek}\tx\n" for english, greek in [("water", "νερουλο")]]
    (data / "lexicon.tsv").write_text("".join(lexicon), encoding="utf-8")
    config = TrainConfig(
        data=data, output=tmp_path / "model", dim=16, vocab=120, steps=5, batch=32, dictionary=9
    )
    folder = train(config, progress=False).folder
    with load_encoder(f"static:{folder}") as encoder:
        greek, english = encoder.encode(["νερουλα", "water"], Role.DOCUMENT)
    assert np.allclose(greek, english, atol=1e-6)
