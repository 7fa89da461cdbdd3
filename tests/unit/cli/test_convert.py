import json

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models

from rolevec import load_encoder


def test_a_folder_of_model2vec_becomes_one_of_ours(run, run_json, tmp_path):
    source = tmp_path / "their-model"
    source.mkdir()
    vocabulary = {"[UNK]": 0, "fox": 1, "dog": 2}
    Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]")).save(str(source / "tokenizer.json"))
    save_file({"embeddings": np.eye(3, 4, dtype=np.float32)}, source / "model.safetensors")
    (source / "config.json").write_text(json.dumps({"model_type": "model2vec"}))

    shown = run("convert", source, "ours", "--bits", "16")
    assert shown.code == 0, shown.err
    assert "rolevec doctor static:ours" in shown.out
    encoder = load_encoder("static:ours")
    assert encoder.name == "their-model"
    assert encoder.encode_documents(["dog"]).tolist() == [[0, 0, 1, 0]]

    assert run_json("convert", source, "again") == {"folder": "again"}
    refused = run("convert", tmp_path, "ours")
    assert refused.code == 1
    assert "holds neither a config.json of model2vec" in refused.err
