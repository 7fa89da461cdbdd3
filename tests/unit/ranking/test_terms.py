import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rolevec.ranking.terms import terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Cats, the DOG!", ["the", "cats", "the", "dog"]),
        ("AB-1234 v2.0 snake_case", ["ab", "1234", "v2", "0", "snake", "case"]),
        ("running runs", ["running", "runni", "runs"]),
        ("Häuser Straße", ["häuser", "hause", "strasse", "stras"]),
        ("заказы Заказ", ["заказы", "заказ", "заказ"]),
        ("ﬁne Ａ１", ["fine", "a1"]),
        ("kılıç KILIÇ", ["kılıç", "kilic", "kiliç", "kilic"]),
        ("كِتَابٌ كتاب", ["كتاب", "كتاب"]),
        ("أحمد إحمد", ["احمد", "احمد"]),
        ("שָׁלוֹם", ["שלום"]),
        ("北京大学", ["北京", "京大", "大学"]),
        ("猫", ["猫"]),
        ("東京タワーへ", ["東京", "京タ", "タワ", "ワー", "ーへ"]),
        ("서울에서", ["서울", "울에", "에서"]),
        ("ประเทศ", ["ประ", "ระเ", "ะเท", "เทศ"]),
        ("हिन्दी में", ["हिन्दी", "हिन्द", "में"]),
        ("iPhone手机X", ["iphone", "iphon", "手机", "x"]),
        ("Việt Nam", ["việt", "viet", "nam"]),
        (" \t…!?- _ ", []),
        ("", []),
    ],
)
def test_terms(text, expected):
    assert terms(text) == expected


def test_stems_of_a_language_and_words_as_written():
    assert terms("Die Häuser", "german") == ["die", "haus"]
    assert terms("running runs", "english") == ["run", "run"]
    assert terms("Việt 北京大", "none") == ["việt", "北京", "京大"]
    with pytest.raises(ValueError, match=r"klingon.*german"):
        terms("x", "klingon")


@given(st.text())
@example("\u0640")
@example("\u0640\u0301")
def test_case_and_composition_do_not_count(text):
    found = terms(text)
    assert terms(unicodedata.normalize("NFD", text)) == found
    assert terms(unicodedata.normalize("NFC", text)) == found
    assert all(found)
    assert not any(character.isspace() for term in found for character in term)


@given(st.text(alphabet=st.characters(categories=["L", "N"]), min_size=1))
def test_no_word_is_lost(word):
    assert terms(word)
