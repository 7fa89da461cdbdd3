"""A transformer built from nothing: rotary positions, and a vocabulary fair to small languages."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from tokenizers import Tokenizer, processors
from transformers import ModernBertConfig, ModernBertModel, PreTrainedTokenizerFast

from rolevec.training.config import TrainConfig
from rolevec.training.corpus import load_tokenizer
from rolevec.training.tokenizer import UNKNOWN
from rolevec.training.transformer_config import Architecture, TransformerConfig

_PAD, _START, _END, _MASK = "<pad>", "<s>", "</s>", "<mask>"
_SPECIAL = (_PAD, _START, _END, _MASK)
_MAX_TOKENS = 512
# Settings on which the untrained model depends.
_DECIDE = (
    *("architecture", "max_tokens", "seed"),
    *("temperature", "source_weights", "exclude_sources"),
)


def untrained(
    config: TransformerConfig, prompts: Mapping[str, str], work: Path, *, progress: bool
) -> Path:
    """Write a model with drawn weights, in the layout of transformers, unless it is there.

    Args:
        config: with an architecture; its tables give the vocabulary.
        prompts: role -> prefix; each becomes one token.
        work: the folder stands in this one.
        progress: show on standard error what is being read and learned.

    Returns:
        Its folder; the token vectors are to be averaged.
    """
    assert config.architecture is not None
    settings = json.dumps([{name: config.to_dict()[name] for name in _DECIDE}, dict(prompts)])
    folder = work / f"untrained-{hashlib.sha256(settings.encode()).hexdigest()[:12]}"
    if folder.is_dir():
        return folder
    texts = [text for text in prompts.values() if text]
    tokenizer = _tokenizer(config, config.architecture, texts, progress=progress)
    work.mkdir(parents=True, exist_ok=True)
    # Renamed last, so that a kill leaves no half model to be taken up.
    part = Path(mkdtemp(dir=work))
    try:
        _write(config, config.architecture, tokenizer, part)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _write(
    config: TransformerConfig, architecture: Architecture, tokenizer: Tokenizer, folder: Path
) -> None:
    limit = config.max_tokens or _MAX_TOKENS
    wrapper: Any = PreTrainedTokenizerFast  # its constructor carries no types
    wrapper(
        tokenizer_object=tokenizer,
        pad_token=_PAD,
        unk_token=UNKNOWN,
        cls_token=_START,
        sep_token=_END,
        mask_token=_MASK,
        model_max_length=limit,
    ).save_pretrained(folder)
    start, end = tokenizer.token_to_id(_START), tokenizer.token_to_id(_END)
    torch.manual_seed(config.seed)
    model = ModernBertModel(
        ModernBertConfig(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=architecture.hidden,
            intermediate_size=architecture.intermediate,
            num_hidden_layers=architecture.layers,
            num_attention_heads=architecture.heads,
            layer_types=[
                "sliding_attention" if layer % architecture.global_every else "full_attention"
                for layer in range(architecture.layers)
            ],
            local_attention=architecture.window,
            max_position_embeddings=limit,
            pad_token_id=tokenizer.token_to_id(_PAD),
            bos_token_id=start,
            cls_token_id=start,
            eos_token_id=end,
            sep_token_id=end,
        )
    )
    model.save_pretrained(folder)


def _tokenizer(
    config: TransformerConfig, architecture: Architecture, prompts: list[str], *, progress: bool
) -> Tokenizer:
    """The vocabulary of a static model, with a token before and one behind every text."""
    learned = TrainConfig(
        data=config.data,
        output=config.output,
        vocab=architecture.vocab - len(_SPECIAL),
        tokenizer_lines=architecture.tokenizer_lines,
        temperature=config.temperature,
        source_weights=config.source_weights,
        exclude_sources=config.exclude_sources,
        seed=config.seed,
    )
    numbered = {str(i): text for i, text in enumerate(prompts)}
    tokenizer = load_tokenizer(learned, numbered, progress=progress)
    tokenizer.add_special_tokens(list(_SPECIAL))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{_START} $A {_END}",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in (_START, _END)],
    )
    return tokenizer
