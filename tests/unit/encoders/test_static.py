"""The static encoder: arithmetic, roles, truncation, and the guarantees of every encoder."""

import asyncio
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from rolevec.encoders.overlap import without_overlap
from rolevec.encoders.protocol import Encoder
from rolevec.encoders.static import StaticEncoder
from rolevec.errors import InputTooLong, InvalidText, ModelNotAvailable, RolevecError
from rolevec.models.static_card import FORMAT_VERSION
from rolevec.roles import Role
from rolevec.truncation import TruncationWarning

DIM = 32
LONG = "fox dog lazy quick brown " * 12


@pytest.fixture
def encoder(static_folder):
    return StaticEncoder(static_folder)


def test_it_is_an_encoder(encoder):
    assert isinstance(encoder, Encoder)
    assert encoder.dim == encoder.fingerprint.dim == 32


def test_a_vector_is_the_mean_of_scaled_rows(encoder, static_folder):
    ids = encoder.tokenizer.encode("query: lazy dog", add_special_tokens=False).ids
    table = load_file(static_folder / "model.safetensors")
    rows = table["embeddings"][ids].astype(np.float64) * table["scales"][ids][:, None]
    mean = rows.mean(axis=0)
    got = encoder.encode_queries(["lazy dog"])[0]
    assert np.allclose(got, mean / np.linalg.norm(mean), atol=1e-6)


def test_the_prompt_is_one_token_before_the_texts_own(encoder):
    plain = encoder.tokenizer.encode("lazy dog", add_special_tokens=False).ids
    assert encoder.tokenizer.encode("query: lazy dog", add_special_tokens=False).ids[1:] == plain


def test_roles_differ_and_unit_length_holds(encoder):
    texts = ["lazy dog", "brown fox"]
    queries, documents = encoder.encode_queries(texts), encoder.encode_documents(texts)
    assert (np.sum(queries * documents, axis=1) < 0.999).all()
    assert np.allclose(np.linalg.norm(queries, axis=1), 1, atol=1e-6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.sampled_from(["fox", "lazy dog", "Hund", "狗", "собаку", "fox"]), max_size=9))
def test_batch_equals_singles_in_order(encoder, texts):
    batch = encoder.encode(texts, Role.DOCUMENT, batch_size=2)
    assert batch.shape == (len(texts), 32)
    for row, text in zip(batch, texts, strict=True):
        assert np.allclose(row, encoder.encode_documents([text])[0], atol=1e-5)


def test_a_cut_is_a_unit_vector_in_the_same_direction(encoder, static_folder):
    whole = encoder.encode_queries(["lazy dog"])
    cut = encoder.encode(["lazy dog"], Role.QUERY, dimensions=8)
    assert np.allclose(cut[0], whole[0, :8] / np.linalg.norm(whole[0, :8]), atol=1e-6)
    small = StaticEncoder(static_folder, dimensions=8)
    assert np.allclose(small.encode_queries(["lazy dog"]), cut, atol=1e-6)
    assert set(small.fingerprint.differences(encoder.fingerprint)) == {"dim"}


@pytest.mark.parametrize("policy", ["end", "start", "split"])
def test_policies_keep_the_prompt_and_report_the_loss(static_folder, policy):
    encoder = StaticEncoder(static_folder, truncation=policy)
    total = encoder.count_tokens([LONG], Role.QUERY)[0]
    encoded = encoder.encode_with_report(["fox", LONG], Role.QUERY)
    assert encoded.truncation.dropped == (0, 0 if policy == "split" else total - 16)
    assert not np.allclose(encoded.vectors[1], encoder.encode_documents([LONG])[0])


def test_start_keeps_the_end_and_end_keeps_the_start(static_folder):
    text = "fox " * 40 + "dog " * 40
    for policy, near in (("end", "fox"), ("start", "dog")):
        encoder = StaticEncoder(static_folder, truncation=policy)
        got = encoder.encode_queries([text])[0]
        scores = {
            word: got @ encoder.encode_queries([f"{word} " * 14])[0] for word in ("fox", "dog")
        }
        assert max(scores, key=scores.get) == near


def test_split_is_the_length_weighted_mean_of_windows(static_folder):
    encoder = StaticEncoder(static_folder, truncation="split")
    plan = encoder._plan([LONG], Role.QUERY)
    assert max(map(len, plan.ids)) <= 16
    unit = [v / np.linalg.norm(v) for v in encoder._forward(plan.ids)]
    mean = sum(w * v for w, v in zip(plan.weights, unit, strict=True))
    assert np.allclose(encoder.encode_queries([LONG])[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_warn_warns_once_and_error_refuses(encoder, static_folder):
    with pytest.warns(TruncationWarning, match=r"2 of 3 texts") as caught:
        encoder.encode_queries([LONG, "fox", LONG])
    assert len(caught) == 1
    with pytest.raises(InputTooLong):
        StaticEncoder(static_folder, truncation="error").encode_queries([LONG])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a", ""], "text 1 is empty"),
        ([" \n\t"], "text 0 is blank"),
        (["a", "b\ud800"], "text 1 holds a lone surrogate"),
        ([3], "text 0 is a int"),
        ("abc", "one string"),
    ],
)
def test_bad_texts_are_named(encoder, texts, message):
    with pytest.raises(InvalidText, match=message):
        encoder.encode_queries(texts)


def test_empty_list_keeps_the_dimension(encoder):
    assert encoder.encode_queries([]).shape == (0, 32)


def test_pickles_before_and_after_use(encoder):
    before = pickle.loads(pickle.dumps(encoder)).encode_queries(["fox"])
    assert np.array_equal(before, pickle.loads(pickle.dumps(encoder)).encode_queries(["fox"]))
    assert np.array_equal(before, encoder.encode_queries(["fox"]))


async def test_async_equals_sync(encoder):
    both = await asyncio.gather(
        encoder.aencode_queries(["fox"]), encoder.aencode_documents(["fox"])
    )
    assert np.array_equal(both[0], encoder.encode_queries(["fox"]))
    assert np.array_equal(both[1], encoder.encode_documents(["fox"]))


def test_a_closed_encoder_says_so(encoder):
    with encoder:
        pass
    with pytest.raises(RolevecError, match="closed"):
        encoder.encode_queries(["fox"])


def test_prompts_given_win_and_change_the_fingerprint(encoder, static_folder):
    other = StaticEncoder(static_folder, prompts={"query": ""})
    assert set(other.fingerprint.differences(encoder.fingerprint)) == {"prompts"}
    assert not np.allclose(other.encode_queries(["fox"]), encoder.encode_queries(["fox"]))


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ModelNotAvailable, match=r"config\.json"):
        StaticEncoder(tmp_path)


@pytest.fixture
def moved_folder(static_folder, altered):
    """The small model with a matrix for queries, and square roots of counts."""
    tokenizer = Tokenizer.from_file(str(static_folder / "tokenizer.json"))
    query = tokenizer.token_to_id("query: ")
    folder = altered(static_folder, tf_power=0.5, query_id=query)
    tensors = load_file(folder / "model.safetensors")
    matrix = np.random.default_rng(1).normal(0, 0.2, (DIM, DIM)).astype(np.float16)
    save_file(tensors | {"query_map": matrix}, folder / "model.safetensors")
    return folder


def test_repeated_tokens_count_their_root_and_queries_are_moved(moved_folder):
    encoder = StaticEncoder(moved_folder)
    text = "fox fox fox dog"
    tensors = load_file(moved_folder / "model.safetensors")
    table = tensors["embeddings"] * tensors["scales"][:, None]
    for role in (Role.QUERY, Role.DOCUMENT):
        counts = Counter(encoder.tokenizer.encode(f"{role.value}: {text}").ids)
        expected = sum(table[token] * n**0.5 for token, n in counts.items())
        expected /= np.linalg.norm(expected)
        if role is Role.QUERY:
            expected = expected + expected @ tensors["query_map"].astype(np.float32)
            expected /= np.linalg.norm(expected)
        assert encoder.encode([text], role)[0] == pytest.approx(expected, abs=1e-5)


@pytest.fixture
def ridge_folder(moved_folder, altered):
    return altered(moved_folder, ridge=1.0)


def test_what_tokens_share_counts_less(ridge_folder):
    encoder = StaticEncoder(ridge_folder)
    tensors = load_file(ridge_folder / "model.safetensors")
    table = tensors["embeddings"] * tensors["scales"][:, None]
    text = "the fox the dog"
    counts = Counter(encoder.tokenizer.encode(f"document: {text}").ids)
    rows = np.stack([table[token] for token in counts])
    factors = np.array([*counts.values()], np.float32) ** 0.5
    expected = without_overlap((factors @ rows)[None], [(rows[None], factors[None])], 1.0)[0]
    expected /= np.linalg.norm(expected)
    assert encoder.encode([text], Role.DOCUMENT)[0] == pytest.approx(expected, abs=1e-5)


def test_many_texts_get_the_same_as_each_alone_where_overlap_is_taken_out(ridge_folder):
    encoder = StaticEncoder(ridge_folder, truncation="end")
    words = ["fox", "dog", "der", "Hund", "the", "x"]
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(words, n)) for n in rng.integers(1, 12, 600)]
    together = encoder.encode(texts, Role.DOCUMENT)
    alone = np.concatenate([encoder.encode([text], Role.DOCUMENT) for text in texts])
    assert np.array_equal(together, alone)


@pytest.mark.parametrize("ridge", [0, -1.0, "1", True, float("inf"), float("nan")])
def test_a_ridge_that_is_no_number_above_0_is_refused(ridge_folder, ridge, altered):
    with pytest.raises(ModelNotAvailable, match="is no number above 0"):
        StaticEncoder(altered(ridge_folder, ridge=ridge))


def test_pairs_of_pieces_are_refused_and_what_to_do_is_said(static_folder, altered):
    with pytest.raises(ModelNotAvailable, match=r"piece_pairs.*train or tune the model again"):
        StaticEncoder(altered(static_folder, piece_pairs={"query": 1, "document": 1}))


def test_another_prompt_is_another_role(moved_folder):
    swapped = StaticEncoder(moved_folder, prompts={"query": "document: "})
    texts = ["the fox", "der Hund"]
    wanted = StaticEncoder(moved_folder).encode_documents(texts)
    assert np.allclose(swapped.encode_queries(texts), wanted, atol=1e-6)


def test_a_matrix_of_another_dimension_is_refused(moved_folder):
    tensors = load_file(moved_folder / "model.safetensors")
    tensors["query_map"] = np.zeros((DIM, DIM + 1), np.float16)
    save_file(tensors, moved_folder / "model.safetensors")
    with pytest.raises(ModelNotAvailable, match="query_map of shape"):
        StaticEncoder(moved_folder)


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, "9"])
def test_a_folder_of_a_newer_format_is_refused(static_folder, altered, version):
    folder = altered(static_folder, format_version=version)
    with pytest.raises(ModelNotAvailable, match=f"version {version!r} .* up to {FORMAT_VERSION}"):
        StaticEncoder(folder)
