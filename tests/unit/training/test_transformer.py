"""A tiny BERT learns a toy language pair, with the trainer of sentence-transformers."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from rolevec import Role, load_encoder
from rolevec.encoders.checks import check_encoder
from rolevec.errors import MissingExtra, ModelNotAvailable, UnsupportedRole
from rolevec.training import HardNegatives, TransformerConfig, train, write_hard_negatives

pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

WORDS = {
    "dog": "hund", "cat": "katze", "house": "haus", "tree": "baum", "river": "fluss",
    "bread": "brot", "night": "nacht", "green": "grün", "small": "klein", "sees": "sieht",
}  # fmt: skip
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PROMPTS = {"query": "query: ", "document": "passage: "}


def sentences(count, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        english = list(rng.choice(list(WORDS), size=3, replace=False))
        yield " ".join(english), " ".join(WORDS[word] for word in english)


def save_tokenizer(folder):
    from transformers import PreTrainedTokenizerFast

    words = [*SPECIAL, "query", "passage", ":", *WORDS, *WORDS.values()]
    words += [chr(c) for c in range(97, 123)] + [f"##{chr(c)}" for c in range(97, 123)]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = dict(zip(("pad", "unk", "cls", "sep", "mask"), SPECIAL, strict=True))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **{f"{name}_token": word for name, word in names.items()}
    )
    fast.save_pretrained(folder)
    return len(vocabulary)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A folder as `save_pretrained` of transformers leaves it, which names no pooling."""
    import torch
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("bert")
    size = save_tokenizer(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=size,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rows = [f"{german}\tdeu\t{english}\ttoy\n" for english, german in sentences(300)]
    (folder / "retrieval.tsv").write_text("".join(rows), encoding="utf-8")
    rows = [f"{english}\tdeu\t{german}\ttoy\n" for english, german in sentences(100, seed=1)]
    (folder / "parallel.tsv").write_text("".join(rows), encoding="utf-8")
    others = [english for english, _ in sentences(50, seed=2)]
    hard = [
        HardNegatives(german, english, tuple(others[i : i + i % 4]))
        for i, (english, german) in enumerate(sentences(40, seed=3))
    ]
    write_hard_negatives(folder / "hard.jsonl", hard)
    return folder


def config(data, bert, tmp_path, **changes):
    settings = {
        "cache": tmp_path / "cache",
        "model": str(bert),
        "pooling": "mean",
        "prompts": PROMPTS,
        "max_tokens": 32,
        "negatives": 2,
        "steps": 60,
        "batch": 32,
        "learning_rate": 3e-3,
        "held_out": 8,
        "checkpoint_steps": 20,
    } | changes
    return TransformerConfig(data=data, output=tmp_path / "tuned", **settings)


def accuracy(encoder):
    left, right = zip(*sentences(50, seed=9), strict=True)
    scores = encoder.encode_queries(right) @ encoder.encode_documents(left).T
    return (scores.argmax(axis=1) == np.arange(50)).mean()


def test_a_tiny_bert_learns_to_find(data, bert, tmp_path, capsys):
    result = train(config(data, bert, tmp_path))
    assert result.losses[-1] < result.losses[0] / 2
    assert result.development > 0.6
    err = capsys.readouterr().err
    assert "training tuned: 60 of 60 (100%)" in err
    assert "loss 0." in err or "loss 1." in err

    encoder = load_encoder(result.model)
    assert encoder.fingerprint.prompts == PROMPTS
    assert encoder.max_tokens == 32
    failed = [check for check in check_encoder(encoder) if not check.passed]
    assert not failed
    untrained = load_encoder(bert, pooling="mean", prompts=PROMPTS)
    assert accuracy(encoder) > accuracy(untrained) + 0.3

    record = json.loads((result.folder / "training.json").read_text(encoding="utf-8"))
    assert set(record["rows"]) == {"hard", "hard-pairs", "retrieval", "parallel", "parallel-query"}
    assert record["steps"] == 60
    assert "data" not in record["settings"]

    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(result.folder), device="cpu", local_files_only=True)
    texts = [english for english, _ in sentences(5)]
    for role in (Role.QUERY, Role.DOCUMENT):
        expected = reference.encode(texts, prompt_name=role.value, normalize_embeddings=True)
        assert np.allclose(encoder.encode(texts, role), expected, atol=1e-5)


def weights(result):
    return load_file(result.folder / "model.safetensors")


def test_a_killed_run_goes_on_to_the_same_weights(data, bert, tmp_path, monkeypatch):
    from rolevec.training import transformer

    whole = train(config(data, bert, tmp_path / "whole"), progress=False)
    trainer, calls = transformer.SentenceTransformerTrainer, []
    learn = trainer.training_step

    def dies(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 33:
            raise KeyboardInterrupt
        return learn(self, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(trainer, "training_step", dies)
        with pytest.raises(KeyboardInterrupt):
            train(config(data, bert, tmp_path / "killed"), progress=False)
    assert not (tmp_path / "killed" / "tuned").exists()
    # A later checkpoint that the kill left half written.
    (written,) = (tmp_path / "killed" / "cache").glob("transformer-*/checkpoint-20")
    half = written.with_name("checkpoint-40")
    half.mkdir()
    (half / "trainer_state.json").write_text('{"global_st')
    resumed = []
    monkeypatch.setattr(
        trainer, "training_step", lambda s, *a, **k: (resumed.append(1), learn(s, *a, **k))[1]
    )
    again = train(config(data, bert, tmp_path / "killed"), progress=False)
    assert len(resumed) == 40
    ours, theirs = weights(again), weights(whole)
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    assert len(again.losses) == len(whole.losses) == 20

    # Other settings do not go on from it.
    resumed.clear()
    train(config(data, bert, tmp_path / "killed", seed=1, steps=3), progress=False)
    assert len(resumed) == 3


def test_large_batches_in_parts_and_smaller_dimensions(data, bert, tmp_path):
    changes = {"mini_batch": 16, "batch": 64, "matryoshka": (8, 16), "cache": None}
    result = train(config(data, bert, tmp_path, **changes), progress=False)
    assert not (tmp_path / "cache").exists()
    assert result.losses[-1] < result.losses[0] / 2
    assert accuracy(load_encoder(result.model, dimensions=8)) > 0.5
    with pytest.raises(ValueError, match="between 0 and 32"):
        train(config(data, bert, tmp_path, matryoshka=(32,)), progress=False)


def test_a_graph_of_older_weights_does_not_stay(data, bert, tmp_path):
    (tmp_path / "tuned" / "onnx").mkdir(parents=True)
    for name in ("model.onnx", "onnx/model.onnx"):
        (tmp_path / "tuned" / name).write_bytes(b"old")
    result = train(config(data, bert, tmp_path, steps=1, cache=None), progress=False)
    assert not list(result.folder.rglob("*.onnx"))
    assert [p.name for p in tmp_path.iterdir()] == ["tuned"]


def test_a_model_in_the_layout_of_sentence_transformers_is_trained_further(data, bert, tmp_path):
    first = train(config(data, bert, tmp_path / "a", steps=2), progress=False)
    settings = {"model": str(first.folder), "pooling": "", "prompts": {}, "max_tokens": 0}
    second = train(config(data, bert, tmp_path / "b", steps=2, **settings), progress=False)
    encoder = load_encoder(second.model)
    assert encoder.fingerprint.prompts == PROMPTS
    assert encoder.max_tokens == 32


def test_what_cannot_be_trained_is_said(data, bert, tmp_path):
    prompts = {"query": "query: {text} ok", "document": ""}
    with pytest.raises(UnsupportedRole, match="puts prompts before a text only"):
        train(config(data, bert, tmp_path, prompts=prompts), progress=False)
    with pytest.raises(ModelNotAvailable, match="pooling="):
        train(config(data, bert, tmp_path, pooling=""), progress=False)
    with pytest.raises(ValueError, match="no pairs of the kinds pivot"):
        train(config(data, bert, tmp_path, kinds=("pivot",)), progress=False)


def test_a_missing_package_is_said_with_its_extra(data, bert, tmp_path, monkeypatch):
    from rolevec.training import run

    monkeypatch.setattr(run, "find_spec", lambda name: None if name == "accelerate" else name)
    with pytest.raises(MissingExtra, match=r"accelerate is not installed.*rolevec\[train\]"):
        train(config(data, bert, tmp_path))
