"""Languages of the known multilingual models, ISO 639-3, as mteb's ModelMeta lists them."""

from __future__ import annotations


def _codes(text: str) -> tuple[str, ...]:
    return tuple(sorted(text.split()))


# The languages of XLM-RoBERTa, from which the multilingual E5 models were made.
XLM_R = _codes(
    "afr amh ara asm aze bel ben bos bre bul cat ces cym dan deu ell eng epo est eus fas fin fra"
    " fry gla gle glg guj hau heb hin hrv hun hye ind isl ita jav jpn kan kat kaz khm kir kor kur"
    " lao lat lav lit mal mar mkd mlg mon msa mya nep nld nob ori orm pan pol por pus ron rus san"
    " sin slk slv snd som spa sqi srp sun swa swe tam tel tgl tha tur uig ukr urd uzb vie xho yid"
    " zho"
)

_SHARED = (
    "afr ara aze bel ben bul cat ceb ces cym dan deu ell eng est eus fas fin fra glg guj hat heb"
    " hin hrv hun hye ind isl ita jav jpn kan kat kaz khm kir kor lao lav lit mal mar mkd mon msa"
    " mya nep nld pan pol por que ron rus sin slk slv spa swa tam tel tgl tha tur ukr urd vie yor"
    " zho"
)
GTE = _codes(f"{_SHARED} nno nob nor")
ARCTIC = _codes(f"{_SHARED} som sqi srp swe")

PARAPHRASE = _codes(
    "ara bul cat ces dan deu ell eng est fas fin fra glg guj heb hin hrv hun hye ind ita jpn kat"
    " kor kur lav lit mar mkd mon msa mya nld nob pol por ron rus slk slv spa sqi srp swe tha tur"
    " ukr urd vie zho"
)
