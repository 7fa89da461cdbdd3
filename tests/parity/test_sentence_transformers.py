"""Vectors equal those of sentence-transformers, on texts of all kinds."""

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from rolevec.encoders.loading import load_encoder
from rolevec.encoders.onnx import OnnxEncoder
from rolevec.encoders.torch import TorchEncoder
from rolevec.roles import Role


def cosines(encoder, texts, want):
    return np.sum(encoder.encode_documents(texts) * want, axis=1)


@pytest.mark.slow
def test_torch_equals_the_reference(model_folder, reference_vectors, texts):
    encoder = load_encoder(f"torch:{model_folder}", device="cpu", truncation="end")
    assert isinstance(encoder, TorchEncoder)
    assert cosines(encoder, texts, reference_vectors).min() > 0.9999


@pytest.mark.slow
def test_onnx_equals_the_reference(onnx_folder, reference_vectors, texts):
    encoder = load_encoder(f"onnx:{onnx_folder}", device="cpu", truncation="end")
    assert isinstance(encoder, OnnxEncoder)
    assert cosines(encoder, texts, reference_vectors).min() > 0.9999


@pytest.mark.slow
def test_what_is_cut_is_counted_as_the_reference_cuts_it(model_folder, reference, texts):
    encoder = load_encoder(f"torch:{model_folder}", device="cpu", truncation="end")
    long = [text for text in texts if len(text) > 400][:40]
    report = encoder.encode_with_report(long, Role.DOCUMENT).truncation
    limit = reference.max_seq_length
    kept = [
        len(ids) for ids in reference.tokenizer(long, truncation=True, max_length=limit).input_ids
    ]
    whole = encoder.count_tokens(long, Role.DOCUMENT)
    assert report
    assert [w - d for w, d in zip(whole, report.dropped, strict=True)] == kept


@pytest.mark.slow
def test_batch_equals_singles(onnx_folder, texts):
    encoder = load_encoder(f"onnx:{onnx_folder}", device="cpu", truncation="end")
    some = texts[:60]
    singles = np.concatenate([encoder.encode_documents([text]) for text in some])
    assert np.abs(encoder.encode_documents(some) - singles).max() <= 1e-5


@pytest.fixture
def words(tmp_path):
    """A saved fast tokenizer of a few words."""
    vocabulary = {w: i for i, w in enumerate(["[PAD]", "[UNK]", "query:", "fox", "dog", "lazy"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=32
    )
    fast.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
def test_a_folder_written_by_sentence_transformers(words, tmp_path, pooling):
    """Its newest layout, with a Dense layer and prompts."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers import models as modules

    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=6, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=32,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(words)
    reference = SentenceTransformer(
        modules=[
            modules.Transformer(str(words)),
            modules.Pooling(16, pooling_mode=pooling),
            modules.Dense(16, 5),
            modules.Normalize(),
        ],
        prompts={"query": "query: "},
        device="cpu",
    )
    reference.save(str(tmp_path / "saved"))
    encoder = load_encoder(tmp_path / "saved", device="cpu", precision="float32")
    texts = ["fox", "lazy dog fox", "dog dog lazy fox lazy"]
    assert (encoder.dim, encoder.max_tokens) == (5, 32)
    assert encoder.fingerprint.prompts["query"] == "query: "
    assert np.allclose(encoder.encode_queries(texts), reference.encode_query(texts), atol=1e-5)
    documents = reference.encode_document(texts)
    assert np.allclose(encoder.encode_documents(texts), documents, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_openvino_equals_the_reference(
    model_folder, onnx_folder, reference_vectors, texts, precision
):
    pytest.importorskip("openvino")
    for folder in (onnx_folder, model_folder):  # from the graph, and from torch's weights
        encoder = load_encoder(f"openvino:{folder}", precision=precision, truncation="end")
        least = 0.9999 if encoder.precision == "float32" else 0.999
        assert cosines(encoder, texts, reference_vectors).min() > least
        assert cosines(encoder, texts[:1], reference_vectors[:1]).min() > least
        assert encoder.encode_documents([]).shape == (0, 384)
