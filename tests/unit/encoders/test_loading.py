"""What `load_encoder` makes of a name, a folder and a scheme."""

import os
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from rolevec.encoders import loading
from rolevec.encoders.caching import CachedEncoder
from rolevec.encoders.loading import load_encoder, register_encoder
from rolevec.encoders.onnx import OnnxEncoder
from rolevec.encoders.openvino import OpenVinoEncoder, openvino_suits
from rolevec.encoders.static import StaticEncoder
from rolevec.errors import MissingPrompts, ModelNotAvailable, UnknownModel
from rolevec.models.registry import find_card
from rolevec.roles import Role
from rolevec.testing import FakeEncoder

# What runs a transformer folder on this machine unless told otherwise.
LOCAL = OpenVinoEncoder if openvino_suits() else OnnxEncoder


def test_folders_go_to_their_backend(static_folder, make_folder):
    assert isinstance(load_encoder(static_folder), StaticEncoder)
    assert isinstance(load_encoder(f"static:{static_folder}"), StaticEncoder)
    folder = make_folder()
    assert isinstance(load_encoder(str(folder)), LOCAL)
    assert isinstance(load_encoder(f"onnx:{folder}"), OnnxEncoder)
    assert load_encoder(folder).name == "tiny"


@pytest.mark.parametrize("name", ["light", "embed-light", "Light", "static:light"])
def test_the_bundled_model_wins_over_a_folder_of_its_name(
    static_folder, tmp_path, monkeypatch, name
):
    monkeypatch.setattr(loading, "light_folder", lambda: static_folder)
    (tmp_path / "light").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_encoder(name).name == "tiny-static"


def test_a_static_folder_is_not_forced_into_another_backend(static_folder):
    for scheme in ("onnx", "torch"):
        with pytest.raises(ModelNotAvailable, match="static model"):
            load_encoder(f"{scheme}:{static_folder}")


def test_a_file_can_be_chosen(make_folder, save_graph):
    folder = make_folder(graph=False)
    save_graph(folder / "onnx" / "model_other.onnx")
    assert isinstance(load_encoder(folder, file="onnx/model_other.onnx"), LOCAL)
    with pytest.raises(ModelNotAvailable, match=r"it has onnx/model_other\.onnx"):
        load_encoder(folder, file="model.onnx")


def test_options_reach_the_encoder(make_folder):
    folder = make_folder()
    encoder = load_encoder(
        folder, prompts={"query": "query: "}, dimensions=4, truncation="error", max_tokens=9
    )
    assert encoder.fingerprint.prompts == {"query": "query: "}
    assert (encoder.dim, encoder.truncation, encoder.max_tokens) == (4, "error", 9)


def test_options_of_another_backend_are_refused(make_folder, static_folder):
    with pytest.raises(ValueError, match="ONNX Runtime computes in auto, float32, int8"):
        load_encoder(f"onnx:{make_folder()}", precision="float16")
    with pytest.raises(TypeError, match="trust_remote_code"):
        load_encoder(f"onnx:{make_folder('other')}", trust_remote_code=True)
    with pytest.raises(TypeError, match="no option pooling"):
        load_encoder(static_folder, pooling="mean")
    with pytest.raises(ValueError, match="CPU"):
        load_encoder(static_folder, device="cuda")


@pytest.mark.parametrize("name", ["no-such-model", "/no/such/folder", "cohere-embed", ""])
def test_unknown_names_are_refused(name):
    with pytest.raises(UnknownModel, match="org/name"):
        load_encoder(name)


FROM_CACHE = """
import sys
from rolevec.encoders.loading import load_encoder
for name in sys.argv[1:]:
    encoder = load_encoder(name)
    mark = encoder.fingerprint
    print(type(encoder).__name__, mark.model, mark.revision, mark.prompts, mark.pooling)
"""


def test_known_models_come_from_the_hubs_cache_with_their_card(make_folder, tmp_path):
    card = find_card("intfloat/multilingual-e5-small")
    repository = tmp_path / "hub" / "models--intfloat--multilingual-e5-small"
    shutil.copytree(make_folder(pooling=None), repository / "snapshots" / card.revision)
    names = [card.name, "multilingual-e5-small", f"onnx:{card.name}"]
    out = subprocess.run(
        [sys.executable, "-c", FROM_CACHE, *names],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "HF_HUB_CACHE": str(tmp_path / "hub"),
            "HF_HUB_OFFLINE": "1",
        },
    )
    prompts = {role.value: card.prompts[role.value] for role in Role}
    line = f" {card.name} {card.revision} {prompts} {card.pooling}"
    assert out.stdout.splitlines() == [
        f"{kind.__name__}{line}" for kind in (LOCAL, LOCAL, OnnxEncoder)
    ]


def test_near_names_are_suggested():
    with pytest.raises(UnknownModel, match=r"did you mean .*embed-multilingual-v3\.0"):
        load_encoder("embed-multilingal-v3.0")


@pytest.mark.parametrize("name", ["nope:model", "nope:http://localhost:8080"])
def test_unknown_schemes_are_refused_with_those_there_are(name):
    with pytest.raises(UnknownModel, match=r"'nope:'.*onnx:.*static:.*torch:"):
        load_encoder(name)


def test_a_windows_path_is_no_scheme():
    with pytest.raises(UnknownModel, match="org/name"):
        load_encoder("C:\\models\\mine")


def test_a_registered_scheme_gets_the_rest_and_the_options(monkeypatch):
    monkeypatch.setattr(loading, "_SCHEMES", dict(loading._SCHEMES))
    seen = {}

    def factory(rest, *, truncation, device, **options):
        seen.update(options, rest=rest, device=device)
        return FakeEncoder(truncation=truncation)

    register_encoder("fake", factory)
    assert load_encoder("fake:http://host:1/x", base_url="b", truncation="end").truncation == "end"
    assert seen == {
        "rest": "http://host:1/x",
        "device": "auto",
        "prompts": None,
        "dimensions": None,
        "base_url": "b",
    }
    with pytest.raises(ValueError, match="two or more"):
        register_encoder("c", factory)


def test_a_folder_without_weights_says_what_is_missing(make_folder):
    folder = make_folder(graph=False)
    with pytest.raises(ModelNotAvailable, match="neither"):
        load_encoder(folder)
    save_file({"w": np.zeros(1, np.float32)}, folder / "model.safetensors")
    with pytest.raises(ModelNotAvailable, match=f"torch:{folder}"):
        load_encoder(f"onnx:{folder}")


def test_prompts_the_tokenizer_cannot_see_are_refused(make_folder):
    # Whitespace in front of a word is nothing to a word tokenizer.
    with pytest.raises(MissingPrompts, match="same tokens"):
        load_encoder(make_folder(), prompts={"query": " ", "document": "  "})


def test_the_cache_option(make_folder, tmp_path, monkeypatch):
    folder = make_folder()
    cached = load_encoder(folder, cache=tmp_path / "vectors.sqlite")
    assert isinstance(cached, CachedEncoder)
    rows = cached.encode_queries(["fox"])
    assert np.array_equal(pickle.loads(pickle.dumps(cached)).encode_queries(["fox"]), rows)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    if sys.platform.startswith("linux"):
        assert load_encoder(folder, cache=True).path.is_relative_to(tmp_path / "home")
    assert isinstance(load_encoder(folder, cache=False), LOCAL)


BLOCKED = """
import sys
from importlib.machinery import PathFinder

class Blocked(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in BLOCKED else super().find_spec(name, path, target)

BLOCKED = set(sys.argv[2].split(","))
sys.meta_path = [Blocked if f is PathFinder else f for f in sys.meta_path]
from rolevec.encoders.loading import load_encoder
from rolevec.errors import MissingExtra
try:
    print(type(load_encoder(sys.argv[1])).__name__)
except MissingExtra as error:
    print(error.extra, isinstance(error, ImportError), error)
"""


@pytest.mark.parametrize(
    ("model", "blocked", "said"),
    [
        ("{onnx}", "onnxruntime,openvino,torch", "onnx True onnxruntime is not installed"),
        ("onnx:{onnx}", "onnxruntime", "pip install 'rolevec[onnx]'"),
        ("{onnx}", "openvino", "OnnxEncoder"),
        ("openvino:{onnx}", "openvino", "pip install 'rolevec[openvino]'"),
        ("{torch}", "torch", "torch True torch is not installed"),
        ("torch:{torch}", "torch", "pip install 'rolevec[torch]'"),
        ("{static}", "onnxruntime,torch,transformers", "StaticEncoder"),
    ],
)
def test_a_missing_extra_is_one_sentence(make_folder, static_folder, model, blocked, said):
    folders = {"onnx": make_folder(), "torch": make_folder("torch", graph=False)}
    save_file({"w": np.zeros(1, np.float32)}, folders["torch"] / "model.safetensors")
    name = model.format(static=static_folder, **folders)
    out = subprocess.run(
        [sys.executable, "-c", BLOCKED, name, blocked],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert said in out.stdout
