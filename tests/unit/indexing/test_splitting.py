"""Parts of long documents: whole sentences where there is room, offsets that slice back."""

import itertools
import sys

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rolevec import Collection, Document, Role, index_corpus
from rolevec.errors import MissingExtra
from rolevec.indexing.splitting import Splitter

SENTENCES = {
    "en": "The quick brown fox jumps over the lazy dog. ",
    "de": "Der schnelle braune Fuchs springt über den faulen Hund! ",
    "zh": "敏捷的棕色狐狸跳过了懒狗。",
    "ja": "素早い茶色の狐がのろまな犬を飛び越える。",
    "ru": "Быстрая коричневая лиса прыгает через ленивую собаку. ",
    "ar": "الثعلب البني السريع يقفز فوق الكلب الكسول؟ ",
    "hi": "तेज भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है। ",
    "th": "สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัขขี้เกียจ ",
    "emoji": "👩‍👩‍👧‍👦 e\u0301 🏳️‍🌈 ok. ",
}


def run(corpus, collection, **options):
    return index_corpus(corpus, collection, progress=False, **options)


def shown(collection):
    return {d.id: d for d in collection.scroll()}


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize("repeated", [0, 1])
def test_parts_slice_back_to_the_text(light, language, repeated):
    sentence = SENTENCES[language]
    overlap = repeated * (light.count_tokens([sentence], Role.DOCUMENT)[0] + 1)
    text = "\n\n".join([sentence * 5, sentence * 8, sentence * 2]) * 2
    parts = Splitter(light, 60, overlap).parts(Document(text, "p", {"lang": language}))
    assert len(parts) > 2
    covered = set()
    for number, part in enumerate(parts):
        start, end = part.metadata["chunk_start"], part.metadata["chunk_end"]
        assert text[start:end] == part.text
        assert part.id == f"p#{number}"
        assert part.metadata["parent_id"] == "p"
        assert part.metadata["chunk_index"] == number
        assert part.metadata["lang"] == language
        covered |= set(range(start, end))
    assert max(light.count_tokens([p.text for p in parts], Role.DOCUMENT)) <= 60
    assert not "".join(c for i, c in enumerate(text) if i not in covered).strip()
    overlapping = [
        a.metadata["chunk_end"] > b.metadata["chunk_start"] for a, b in itertools.pairwise(parts)
    ]
    assert any(overlapping) == bool(repeated)


@pytest.mark.parametrize("language", ["en", "de", "zh", "ja", "ru", "ar", "hi"])
def test_parts_end_where_sentences_do(light, language):
    sentence = SENTENCES[language]
    parts = Splitter(light, 60).parts(Document(sentence * 20, "p"))
    assert len(parts) > 2
    assert all(part.text.endswith(sentence.strip()[-1]) for part in parts)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(min_size=1).filter(str.strip), st.integers(1, 12), st.integers(0, 5))
def test_any_text(light, text, repeat, overlap):
    text = (text + " \n") * repeat
    try:
        document = Document(text, "p")
        light.count_tokens([text], Role.DOCUMENT)
    except ValueError:
        return
    parts = Splitter(light, 12, overlap).parts(document)
    if parts == [document]:
        return
    for part in parts:
        assert text[part.metadata["chunk_start"] : part.metadata["chunk_end"]] == part.text
        assert part.text.strip()


def test_a_short_document_stays_as_it_is(light):
    document = Document("short", "p", {"chunk_start": "its own"})
    assert Splitter(light, 60).parts(document) == [document]


def test_a_changed_document_leaves_no_part_of_its_old_self(store, light):
    collection = store()
    sentence = SENTENCES["en"]
    other = Document(sentence * 30, "other")
    lengths = [30, 12, 40, 1, 20, 0, 30]
    others = len(Splitter(light, 60).parts(other))
    for number in lengths:
        text = sentence * number or "nothing much"
        report = run([Document(text, "p", {"n": number}), other], collection, split=60)
        found = shown(collection)
        mine = {i: d for i, d in found.items() if i == "p" or i.startswith("p#")}
        assert len(mine) == report.added + report.unchanged - others
        assert len(found) - len(mine) == others
        assert {d.metadata["n"] for d in mine.values()} == {number}
        assert ("p" in mine) == (len(mine) == 1)
        whole = sorted(mine.values(), key=lambda d: d.metadata.get("chunk_start", 0))
        assert " ".join(d.text.strip() for d in whole) == text.strip()
    again = run([Document(sentence * 30, "p", {"n": 30}), other], collection, split=60)
    assert (again.added, again.deleted) == (0, 0)
    assert again.unchanged == collection.count()


LENGTHS = st.lists(
    st.tuples(st.sampled_from("pqr"), st.sampled_from([1, 1, 6, 9, 15]), st.integers(0, 2)),
    max_size=7,
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(LENGTHS, st.integers(1, 150), st.booleans()), min_size=1, max_size=3))
@example([([("p", 1, 0), ("p", 6, 0), ("p", 1, 0), ("p", 1, 1), ("p", 6, 0)], 19, False)])
@example([([("p", 9, 0), ("p", 6, 0)], 19, False)])
def test_any_history_leaves_the_parts_of_the_last_texts(light, tmp_path_factory, runs):
    splitter = Splitter(light, 30)
    folder = tmp_path_factory.mktemp("history")
    latest = {}
    for rows, tokens, streamed in runs:
        with Collection.open("c", light, store=folder) as collection:
            corpus = [
                Document(SENTENCES["de"] * length + "0" * n, i, {"n": n}) for i, length, n in rows
            ]
            latest |= {document.id: document for document in corpus}
            source = iter(corpus) if streamed else corpus
            run(source, collection, split=30, batch_tokens=tokens)
            expected = {p.id: p for d in latest.values() for p in splitter.parts(d)}
            assert shown(collection) == expected


def test_only_changed_parts_are_encoded(store):
    collection = store()
    text = "\n\n".join(f"Paragraph {n}. {SENTENCES['en'] * 4}" for n in range(20))
    first = run([Document(text, "p")], collection, split=60)
    last = run([Document(text + " And one more.", "p")], collection, split=60)
    assert first.added > 10
    assert last.added <= 2
    assert last.unchanged >= first.added - 1


def test_points_of_others_under_such_ids_stay(store):
    collection = store()
    collection.add([Document("somebody's", "p#40"), Document("somebody else's", "q#0")])
    text = SENTENCES["en"] * 30
    run([Document(text, "p"), Document("short", "q")], collection, split=60)
    run([Document("short", "p"), Document("short too", "q")], collection, split=60)
    assert sorted(shown(collection)) == ["p", "p#40", "q", "q#0"]


def test_sync_knows_parts(store, tmp_path):
    collection = store()
    path = tmp_path / "texts"
    path.mkdir()
    for name in "ab":
        (path / f"{name}.txt").write_text(SENTENCES["de"] * 30, encoding="utf-8")
    run(path, collection, split=60)
    total = collection.count()
    (path / "a.txt").write_bytes(b"\xff")
    broken = run(path, collection, split=60, sync=True)
    assert (broken.rejected, broken.deleted, collection.count()) == (1, 0, total)
    (path / "a.txt").unlink()
    assert run(path, collection, split=60, sync=True).deleted == total / 2
    assert all(i.startswith("b.txt#") for i in shown(collection))


def test_names_that_splitting_sets_are_refused_not_replaced(store):
    collection = store()
    corpus = [Document(SENTENCES["en"] * 30, "p", {"parent_id": "mine"})]
    report = run(corpus, collection, split=60)
    assert report.rejected == 1
    assert "parent_id" in report.rejects[0].reason


@pytest.mark.parametrize(("size", "overlap"), [(1, 0), (0, 0), (20, 20), (9000, 0)])
def test_sizes_without_room(light, size, overlap):
    with pytest.raises(ValueError, match=f"split={size}"):
        Splitter(light, size, overlap)


def test_the_extra_is_named(light, monkeypatch):
    monkeypatch.setitem(sys.modules, "semantic_text_splitter", None)
    with pytest.raises(MissingExtra, match=r"rolevec\[split\]"):
        Splitter(light, 60)
