"""Keywords of real sentences in ten scripts."""

import numpy as np
import pytest

from rolevec.ranking.clustering.keywords import keywords_of
from rolevec.ranking.clustering.terms import script_of, terms_of

# Language -> sentences about cooking rice and about trains, and the word for each.
RICE_AND_TRAINS = {
    "en": (["Wash the rice and boil it.", "We eat rice every day."],
           ["The train leaves at nine.", "I missed my train today."], "rice", "train"),
    "de": (["Wasche den Reis und koche ihn.", "Wir essen jeden Tag Reis."],
           ["Der Zug fährt um neun Uhr.", "Heute habe ich den Zug verpasst."], "Reis", "Zug"),
    "ru": (["Промойте рис и сварите его.", "Мы едим рис каждый день."],
           ["Поезд отправляется в девять.", "Сегодня поезд опоздал."], "рис", "поезд"),
    "el": (["Πλύνετε το ρύζι και βράστε το.", "Τρώμε ρύζι κάθε μέρα."],
           ["Το τρένο φεύγει στις εννέα.", "Σήμερα έχασα το τρένο."], "ρύζι", "τρένο"),
    "ar": (["اغسل الأرز ثم اسلقه.", "نأكل الأرز كل يوم."],
           ["يغادر القطار في التاسعة.", "فاتني القطار اليوم."], "الأرز", "القطار"),
    "he": (["שטפו את האורז ובשלו אותו.", "אנחנו אוכלים אורז כל יום, את האורז הלבן."],
           ["הרכבת יוצאת בתשע.", "היום הרכבת איחרה."], "האורז", "הרכבת"),
    "hi": (["चावल धोकर उबाल लें।", "हम रोज़ चावल खाते हैं।"],
           ["ट्रेन नौ बजे चलती है।", "आज मेरी ट्रेन छूट गई।"], "चावल", "ट्रेन"),
    "ko": (["이 식당은 비빔밥 맛집이다.", "우리는 매일 비빔밥 먹는다."],
           ["아홉 시에 기차 출발한다.", "오늘 기차 놓쳤다."], "비빔밥", "기차"),
    "zh": (["把米饭煮熟。", "我们每天吃米饭。"],
           ["火车九点出发。", "我今天没赶上火车。"], "米饭", "火车"),
    "ja": (["お米を洗って炊きます。", "毎日お米を食べます。"],
           ["電車は九時に出ます。", "今日は電車に乗り遅れました。"], "お米", "電車"),
    "th": (["ล้างข้าวแล้วหุงข้าว", "เรากินข้าวทุกวัน"],
           ["รถไฟออกเก้าโมง", "วันนี้ฉันตกรถไฟ"], "ข้าว", "รถไฟ"),
}  # fmt: skip


def labelled(languages):
    texts, labels = [], []
    for language in languages:
        rice, trains, _, _ = RICE_AND_TRAINS[language]
        texts += [*rice, *trains]
        labels += [0] * len(rice) + [1] * len(trains)
    return texts, np.array(labels)


@pytest.mark.parametrize("language", RICE_AND_TRAINS)
def test_the_topic_s_word_comes_first(language):
    texts, labels = labelled([language])
    rice, trains = keywords_of(texts, labels, 2)
    expected = RICE_AND_TRAINS[language][2:]
    assert (rice[0].casefold(), trains[0].casefold()) == tuple(w.casefold() for w in expected)


def test_each_language_of_a_cluster_gets_its_words():
    texts, labels = labelled(RICE_AND_TRAINS)
    found = keywords_of(texts, labels, 2, most=len(RICE_AND_TRAINS))
    for number in (0, 1):
        expected = {row[2 + number].casefold() for row in RICE_AND_TRAINS.values()}
        assert {word.casefold() for word in found[number]} == expected


def test_words_that_are_everywhere_are_none():
    texts, labels = labelled(["en"])
    for words in keywords_of(texts * 30, np.tile(labels, 30), 2):
        assert words
        assert "the" not in words[:2]
    same = ["the same words in every text"] * 10
    assert keywords_of(same, np.arange(10) % 2, 2) == ((), ())


def test_noise_and_empty_texts_give_no_words():
    assert keywords_of(["", "1234 5", "left out"], np.array([0, 0, -1]), 1) == ((),)
    assert keywords_of([], np.empty(0, int), 0) == ()


def test_words_keep_their_marks_and_apostrophes():
    (terms,) = terms_of(["हिन्दी में l’école don't Straße x 42 ab1 \u0e01"])
    assert terms == {"हिन्दी", "में", "l’école", "don't", "Straße"}


def test_scripts_have_names():
    assert [script_of(t) for t in ("abc", "абв", "12 漢字", "かな", "")] == [
        "LATIN", "CYRILLIC", "CJK", "HIRAGANA", "",
    ]  # fmt: skip
