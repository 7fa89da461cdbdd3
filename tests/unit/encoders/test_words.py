"""Token ids by word: the same as the tokenizer's, whatever the text."""

import json
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from rolevec.encoders.lattice import LONGEST, Lattice
from rolevec.encoders.static import StaticEncoder
from rolevec.encoders.tokens import TokenEncoder
from rolevec.encoders.trie import Trie
from rolevec.encoders.words import WordIds
from rolevec.models.bundled import light_folder
from rolevec.roles import Role
from rolevec.training.tokenizer import blank_tokenizer
from rolevec.truncation import TruncationWarning

# Letters of many scripts; marks that join, reorder or do neither; characters that become others,
# several or none; white space of every kind; the word mark, added tokens, and the unknown.
PARTS = [
    *"aZé ß İ ſ ﬁ ½ Å Ω ㎏ ﾞ ｶ ﾀ",
    *"\u0301\u0323\u0327\u093c\u0bbe\u3099\u1161\u11a8\u064b\u05b0",
    *"\u00ad\u200b\u200e\ufeff\u2060\u200d",
    *"\u00a0\u2003\u3000\u0085\u1680\x1c\x1f\t\n",
    *"▁<>.,;!?'’—¡、。।؟「」",
    *"가각한국어ᄀ狐狸ไทยภาษาहिन्दीதமிழ்العربيةעבריתამᲐ🦊🇳🇵\U00011127\U0001d400\U000323af\U0001f9ff",
    "query: ", "document: ", "<unk>", "query:", "the", "Tom", "die Katze", "собаку", " ", "  ",
]  # fmt: skip
WILD = st.lists(
    st.one_of(st.sampled_from(PARTS), st.text(max_size=4), st.characters(codec="utf-8")),
    min_size=1, max_size=12,
).map("".join).filter(lambda text: not text.isspace() and text != "")  # fmt: skip
FRESH = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture(scope="module")
def light():
    return StaticEncoder(light_folder())


@pytest.fixture(scope="module")
def cache(light):
    return WordIds.of(light.tokenizer, 0)


class Plain(StaticEncoder):
    """Tokenises every text whole."""

    def _words_for(self, count, role):
        return None


@pytest.fixture(scope="module")
def plain():
    return Plain(light_folder())


@pytest.fixture
def always(monkeypatch):
    """Words are used for however few texts."""
    monkeypatch.setattr("rolevec.encoders.static._WORTH_PREPARING", 1)
    monkeypatch.setattr("rolevec.encoders.static._WORTH_USING", 1)


def by_words(cache, texts):
    """Known ids and the number of all tokens, of texts that are not refused; None for others."""
    refused = set(cache.refused(texts))
    kept = [text for i, text in enumerate(texts) if i not in refused]
    found = []
    for _, tokens in cache.batches(kept):
        ids = np.split(tokens.ids, np.cumsum(tokens.known)[:-1])
        found += zip([some.tolist() for some in ids], tokens.total.tolist(), strict=True)
    found = iter(found)
    return [None if i in refused else next(found) for i in range(len(texts))]


def whole(tokenizer, texts, unknown=0):
    ids = [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
    return [([i for i in some if i != unknown], len(some)) for some in ids]


def assert_same(cache, tokenizer, texts):
    for text, got, wanted in zip(
        texts, by_words(cache, texts), whole(tokenizer, texts), strict=True
    ):
        assert got is None or got == wanted, repr(text)


@settings(deadline=None, max_examples=400, suppress_health_check=FRESH)
@given(st.lists(WILD, min_size=1, max_size=6))
@example(["e\u0301 e\u200b\u0301", "ｶ\uff9e", "\u1100\u1161\u11a8", "가\u11a8"])
@example(["\U000323af\U000323afa", "🧿🧿 🧿", "x🧿🧿y"])
@example(["x" * (LONGEST + 1), "ab" * LONGEST, "a" * 70000])
def test_the_ids_are_those_of_the_whole_text(cache, light, texts):
    assert_same(cache, light.tokenizer, texts)


def test_every_character_of_the_basic_plane(cache, light):
    points = [p for p in range(1, 0x10000) if not 0xD800 <= p < 0xE000]
    texts = [f"x{chr(p)}y {chr(p)}{chr(p)}" for p in points]
    assert_same(cache, light.tokenizer, texts)
    refused = [texts[i] for i in cache.refused(texts)]
    assert [text[1] for text in refused] == list("\x1c\x1d\x1e\x1f")


def test_texts_with_added_tokens_are_refused(cache):
    texts = ["a query: b", "a <unk>", "query:", "fine", "a\x1db", "b" * 70000]
    assert cache.refused(texts) == [0, 1, 4, 5]
    assert cache.refused([]) == []


@pytest.mark.parametrize(
    ("prompt", "fine"),
    [
        ("", True), ("query: ", True), ("Represent this: ", True), ("über\u3000", True),
        ("no space at the end", False), ("one more q", False), ("\x1c", False),
        ("query: document:", False),
    ],
)  # fmt: skip
def test_prompts_that_stand_apart_from_the_text(cache, prompt, fine):
    assert cache.prefixes(prompt) is fine


def test_a_prompt_that_could_grow_into_an_added_token_is_not_apart():
    tokenizer = unigram([AddedToken("ab cd", normalized=False)])
    words = WordIds.of(tokenizer, 0)
    assert not words.prefixes("ab ")
    assert words.prefixes("ab cd ")


def unigram(added=(), **changes):
    pieces = [("<unk>", 0.0), ("▁", -2.0), ("a", -3.0), ("b", -3.0), ("ab", -6.0), ("▁ab", -8.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    tokenizer.normalizer = changes.get("normalizer", normalizers.NFKC())
    tokenizer.pre_tokenizer = changes.get(
        "pre_tokenizer",
        pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
        ),
    )
    tokenizer.add_special_tokens(list(added))
    return tokenizer


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text("abcz▁ é\u0301", min_size=1), min_size=1, max_size=8))
def test_ties_and_unknown_runs_fall_as_in_the_tokenizer(texts):
    tokenizer = unigram()
    texts = [text for text in texts if not text.isspace()] or ["ab"]
    assert_same(WordIds.of(tokenizer, 0), tokenizer, texts)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.text("aάαςσΣأىё \u0301\u05b0\u064b\u0640\u00ad(", min_size=1), min_size=1, max_size=8
    )
)
def test_foldings_of_the_bundled_tokenizer_go_word_by_word(texts):
    tokenizer = blank_tokenizer()
    pieces = ["<unk>", "▁", "a", "α", "σ", "ا", "ي", "е", "(", "▁ασ", "ίά"]
    tokenizer.model = models.Unigram([(piece, -float(len(piece))) for piece in pieces], unk_id=0)
    words = WordIds.of(tokenizer, 0)
    assert words is not None
    assert_same(words, tokenizer, [text for text in texts if not text.isspace()] or ["ας"])


@pytest.mark.parametrize(
    "tokenizer",
    [
        unigram(pre_tokenizer=pre_tokenizers.Metaspace()),
        unigram(
            pre_tokenizer=pre_tokenizers.Sequence(
                [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="first")]
            )
        ),
        unigram(pre_tokenizer=None),
        unigram(normalizer=normalizers.Prepend("▁")),
        unigram(
            normalizer=normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(" ", "_")])
        ),
        unigram([AddedToken("zz", normalized=True, special=False)]),
    ],
)
def test_tokenizers_that_look_across_spaces_are_left_alone(tokenizer):
    assert WordIds.of(tokenizer, 0) is None


def test_other_models_go_word_by_word_too():
    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0, "fox": 1, "dog": 2}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    assert not Lattice.is_possible(json.loads(tokenizer.to_str()))
    assert_same(WordIds.of(tokenizer, 0), tokenizer, ["fox dog cat", "dog  dog", "cat"])


def test_without_an_unknown_every_token_is_kept():
    tokenizer = unigram()
    words = WordIds.of(tokenizer, None)
    assert by_words(words, ["ab zz ab"]) == whole(tokenizer, ["ab zz ab"], None)


def test_the_cache_is_bounded_and_forgets_rightly(light):
    facts = json.loads(light.tokenizer.to_str())
    cache = WordIds(light.tokenizer, facts, 0, capacity=50)
    rng = np.random.default_rng(0)
    for _ in range(30):
        texts = [" ".join(f"w{n}" for n in rng.integers(0, 99, 5)) for _ in range(7)]
        assert_same(cache, light.tokenizer, texts)
        assert len(cache._places) <= 50
        assert len(cache._starts) == len(cache._places)


def test_long_batches_are_cut_by_characters(cache, monkeypatch):
    monkeypatch.setattr("rolevec.encoders.words._AT_ONCE", 10)
    texts = ["fox", "dog", "a lazy fox over it", "x", "ox"]
    assert [start for start, _ in cache.batches(texts)] == [0, 2, 3]


def test_many_threads_share_a_cache(light):
    facts = json.loads(light.tokenizer.to_str())
    cache = WordIds(light.tokenizer, facts, 0, capacity=300)
    failures = []

    def work(seed):
        rng = np.random.default_rng(seed)
        try:
            for _ in range(15):
                texts = [" ".join(f"t{n}" for n in rng.integers(0, 400, 6)) for _ in range(20)]
                assert_same(cache, light.tokenizer, texts)
        except AssertionError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_trie_knows_its_words_and_no_others():
    words = ["a", "ab", "abc", "b", "ca", "cab"]
    trie = Trie(words)
    for word in [*words, "c", "ac", "abcd", "z", "bz"]:
        letters = np.array([trie.letter(ord(c)) for c in word])
        nodes = trie.first[letters[:1]]
        for letter in letters[1:]:
            nodes = trie.step(nodes, np.array([letter]))
        found = trie.word[nodes[0]] if nodes[0] else -1
        assert found == (words.index(word) if word in words else -1)


# --- the encoder ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("always")
@settings(deadline=None, max_examples=60, suppress_health_check=FRESH)
@given(texts=st.lists(WILD, min_size=1, max_size=8), role=st.sampled_from(list(Role)))
def test_vectors_and_reports_are_those_of_whole_texts(light, plain, texts, role):
    fast = light.encode_with_report([*texts, texts[0]], role)
    slow = plain.encode_with_report([*texts, texts[0]], role)
    # Bit by bit, or a corpus would depend on when the cache came into use; a product of queries and
    # their matrix depends on how many there are.
    if role is Role.QUERY:
        assert np.allclose(fast.vectors, slow.vectors, atol=1e-6)
    else:
        assert np.array_equal(fast.vectors, slow.vectors)
    assert fast.truncation == slow.truncation


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("policy", ["warn", "end", "start", "split"])
def test_texts_that_are_too_long_are_cut_alike(policy):
    fast = StaticEncoder(light_folder(), truncation=policy)
    slow = Plain(light_folder(), truncation=policy)
    texts = ["fox", "a fox " * 4095 + "x", "a fox " * 4096, "dog", "fox and dog " * 5000]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rolevec.truncation.warnings.warn", lambda *args, **options: None)
        one, two = (e.encode_with_report(texts, Role.DOCUMENT) for e in (fast, slow))
    assert one.truncation == two.truncation
    assert one.truncation or policy == "split"
    assert np.array_equal(one.vectors, two.vectors)


@pytest.mark.usefixtures("always")
def test_a_prompt_of_ones_own_and_one_behind_the_text():
    for template in ("Represent: ", "", "{text} in short", "no space"):
        fast = StaticEncoder(light_folder(), prompts={"query": template})
        slow = Plain(light_folder(), prompts={"query": template})
        texts = ["fox", "ʼn\u0301 dog", "\u200b"] if template else ["fox", "dog"]
        assert np.array_equal(fast.encode_queries(texts), slow.encode_queries(texts))


def test_chunks_in_threads_keep_the_order(light, plain, monkeypatch):
    monkeypatch.setattr("rolevec.encoders.base.processors", lambda: 2)
    monkeypatch.setattr(StaticEncoder, "chunk", 600)
    texts = [f"text {n % 2500} of {n % 7}" for n in range(6000)]
    done = []
    rows, lost = light._rows(texts[:600], Role.DOCUMENT, None, done.append)
    assert sum(done) == len(rows) == len(lost) == 600
    assert np.array_equal(light.encode_documents(texts), plain.encode_documents(texts))


def test_a_failing_chunk_among_threads_is_told(light, monkeypatch):
    monkeypatch.setattr("rolevec.encoders.base.processors", lambda: 2)
    monkeypatch.setattr(StaticEncoder, "chunk", 100)

    def rows(self, texts, role, batch_size, advance):
        if "text 350" in texts:
            raise RuntimeError("of the model")
        return TokenEncoder._rows(self, texts, role, batch_size, advance)

    monkeypatch.setattr(StaticEncoder, "_rows", rows)
    with pytest.raises(RuntimeError, match="of the model"):
        light.encode_documents([f"text {n}" for n in range(1000)])


def test_a_tokenizer_that_looks_across_spaces_still_encodes_many(static_folder):
    encoder = StaticEncoder(static_folder)
    texts = [f"fox {n}" for n in range(700)]
    together = encoder.encode_documents(texts)
    assert encoder._words is None
    alone = np.concatenate([encoder.encode_documents([text]) for text in texts[::50]])
    assert np.allclose(together[::50], alone, atol=1e-6)


def test_warnings_come_once_from_many_chunks(monkeypatch):
    monkeypatch.setattr("rolevec.encoders.base.processors", lambda: 2)
    monkeypatch.setattr(StaticEncoder, "chunk", 600)
    encoder = StaticEncoder(light_folder())
    texts = [f"fox {n}" for n in range(1300)] + ["fox " * 9000]
    with pytest.warns(TruncationWarning, match="1 of 1301") as caught:
        encoder.encode_queries(texts)
    assert len(caught) == 1
