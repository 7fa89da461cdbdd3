"""Which words of sentence pairs are taken for translations of each other."""

from collections import Counter, defaultdict
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from rolevec.training import wordpairs
from rolevec.training.data import Pair
from rolevec.training.store import build_store
from rolevec.training.wordpairs import cut_words, word_pairs

ENGLISH = ["bread", "water", "light", "the", "of", "red7"]
GREEK = {"ψωμι": "bread", "νερο": "water", "φωσ": "light", "το": "the", "του": "of", "κοκ": "red7"}

# Sentences about something else, which have no words in pieces.
OTHERS = [("bread", "ell", "the " * number + "of") for number in range(50)]


@pytest.fixture(scope="module")
def tokenizer():
    """With a token for each English word, and letters for all others."""
    pieces = [
        "<unk>",
        *(f"▁{word}" for word in ENGLISH),
        "▁",
        *sorted({*"".join(GREEK), *"面包里了"}),
    ]
    tokenizer = Tokenizer(models.Unigram([(p, -float(len(pieces))) for p in pieces], unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    return tokenizer


def found(rows, tokenizer):
    pairs = [Pair(left, lang, right, "eng", "made up") for left, lang, right in rows]
    pairs = word_pairs(build_store(pairs, tokenizer), tokenizer)
    return sorted((pair.left, pair.left_lang, pair.right) for pair in pairs)


def sentences(seed, count=600):
    rng = np.random.default_rng(seed)
    some = [
        rng.choice([*GREEK], rng.integers(1, 5), p=[0.1, 0.1, 0.1, 0.3, 0.3, 0.1])
        for _ in range(count)
    ]
    return [(" ".join(words), "ell", " ".join(GREEK[w] for w in words)) for words in some]


def test_words_that_stand_together_translate_each_other(tokenizer):
    rows = sentences(1)
    wanted = [("νερο", "ell", "water"), ("φωσ", "ell", "light"), ("ψωμι", "ell", "bread")]
    # Of the others one is too short a word, one too frequent, and one no word of letters.
    assert found(rows, tokenizer) == wanted
    both = [*rows, *((left, "grc", right) for left, _, right in rows)]
    assert found(both, tokenizer) == sorted([*wanted, *((w, "grc", e) for w, _, e in wanted)])


def test_words_that_are_met_once_or_very_often_are_left_out(tokenizer):
    assert found([*OTHERS, ("ψωμι", "ell", "bread")], tokenizer) == []
    assert found([*OTHERS, *[("ψωμι", "ell", "bread")] * 5], tokenizer) == [
        ("ψωμι", "ell", "bread")
    ]
    often = [("ψωμι", "ell", "bread " + "the " * number) for number in range(201)]
    assert found([*OTHERS, *often[1:]], tokenizer) == [("ψωμι", "ell", "bread")]
    assert found([*OTHERS, *often], tokenizer) == []


def test_words_for_which_as_much_speaks_as_for_others_are_left_out(tokenizer):
    assert found([*OTHERS, *[("ψωμι", "ell", "bread water")] * 5], tokenizer) == []


def test_where_words_are_not_set_apart_pieces_side_by_side_may_be_one(tokenizer):
    rows = [(text, "zho", "bread") for text in ("里面包", "面包里 了") for _ in range(3)]
    some = ["包里", "里面", "里面包", "面包", "面包里"]
    assert found([*OTHERS, *rows], tokenizer) == sorted((word, "zho", "bread") for word in some)


def test_words_of_right_texts_that_are_cut_up_are_found_if_they_are_met_twice(tokenizer):
    rights = ["bread σφψ", "bread σφψ the", "σφψ σφψ", "φω water φω", "το the", "bread το"]
    pairs = [Pair("το", "ell", right, "eng", "made up") for right in rights]
    assert sorted(cut_words(build_store(pairs, tokenizer), tokenizer)) == ["σφψ", "το"]
    assert [*cut_words(build_store([], tokenizer), tokenizer)] == []


def test_nothing_comes_of_nothing(tokenizer):
    assert found([], tokenizer) == []
    assert found([("bread", "deu", "bread")], tokenizer) == []


ROWS = st.lists(
    st.tuples(
        st.lists(st.sampled_from([*GREEK, "ψψψψψψψψψψ", "bread"]), min_size=1, max_size=4).map(
            " ".join
        ),
        st.sampled_from(["ell", "grc"]),
        st.lists(st.sampled_from(ENGLISH), min_size=1, max_size=4).map(" ".join),
    ),
    max_size=60,
)


@given(ROWS, st.integers(1, 50))
def test_pairs_are_those_that_counting_by_hand_finds(tokenizer, rows, at_once):
    with pytest.MonkeyPatch.context() as patch:
        # Enough of them at once, and little enough evidence, for so few sentences.
        for name, value in {"_AT_ONCE": at_once, "_EVIDENCE": 0.5, "_LEAD": 0.25}.items():
            patch.setattr(wordpairs, name, value)
        assert found(rows, tokenizer) == sorted(by_hand(rows))


def by_hand(rows):
    rights = {right for _, _, right in rows}
    shares = (
        {e: sum(e in right.split() for right in rights) / len(rights) for e in ENGLISH}
        if rights
        else {}
    )
    beside, met = defaultdict(Counter), Counter()
    for left, lang, right in rows:
        for word in {*left.split()}:
            met[word, lang] += 1
            beside[word, lang].update({*right.split()})
    for (word, lang), counts in beside.items():
        if len(word) + 1 > 10 or word in ENGLISH or not 2 <= met[word, lang] <= 200:
            continue
        speaks = sorted(
            (count * log(count / met[word, lang] / shares[english]), english)
            for english, count in counts.items()
            if count >= 2 and count / met[word, lang] >= 0.5
        )
        if not speaks:
            continue
        best, english = speaks[-1]
        following = speaks[-2][0] if len(speaks) > 1 else 0.0
        if best >= 0.5 and best - following >= 0.25 and english.isalpha() and len(english) > 2:
            yield word, lang, english
