import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolevec import Config, load_config
from rolevec.config import CollectionSettings, EncoderSettings, RerankerSettings, save_config
from rolevec.config.files import read_config, write_toml
from rolevec.errors import RolevecError
from rolevec.tables import check_names

WHOLE = """
[encoder]
model = "light"
dimensions = 128
truncation = "split"
prompts = { query = "frage: " }

[collection]
name = "notes"
store = "./data"
quantization = "int8"
indexed_fields = { year = "integer" }

[reranker]
top_n = 5
"""
SAME_IN_YAML = """
encoder:
  model: light
  dimensions: 128
  truncation: split
  prompts: {query: "frage: "}
collection:
  name: notes
  store: ./data
  quantization: int8
  indexed_fields: {year: integer}
reranker:
  top_n: 5
"""


def write(folder, text, name="rolevec.toml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_it_says_what_the_file_says(tmp_path):
    config = load_config(write(tmp_path, WHOLE))
    assert config.encoder_settings == EncoderSettings(
        "light", dimensions=128, truncation="split", prompts={"query": "frage: "}
    )
    assert config.collection_settings == CollectionSettings(
        "notes", str(tmp_path / "data"), "int8", indexed_fields={"year": "integer"}
    )
    assert config.reranker_settings == RerankerSettings(top_n=5)


def test_toml_and_yaml_say_the_same(tmp_path):
    in_toml = load_config(write(tmp_path, WHOLE))
    assert load_config(write(tmp_path, SAME_IN_YAML, "rolevec.yaml")) == in_toml


@pytest.mark.parametrize("name", ["empty.toml", "empty.yml"])
def test_all_may_be_left_out(tmp_path, name):
    config = load_config(write(tmp_path, "", name))
    assert config.encoder_settings == EncoderSettings()
    assert config.collection_settings.store == str(tmp_path / "rolevec-data")


@pytest.mark.parametrize("name", ["again.toml", "again.yaml"])
def test_what_is_saved_is_read_back(tmp_path, name):
    config = load_config(write(tmp_path, WHOLE))
    save_config(config, tmp_path / name)
    assert load_config(tmp_path / name) == config
    save_config(Config(), tmp_path / name)
    assert load_config(tmp_path / name).encoder_settings == EncoderSettings()


def test_a_folder_of_files_can_be_moved_whole(tmp_path):
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    save_config(load_config(write(there, WHOLE)), there / "saved.toml")
    assert str(tmp_path) not in (there / "saved.toml").read_text(encoding="utf-8")
    there.rename(here)
    assert load_config(here / "saved.toml").collection_settings.store == str(here / "data")


@pytest.mark.parametrize("model", ["light", "org/name", "tei:http://127.0.0.1:8081"])
def test_a_name_is_no_folder(tmp_path, model):
    config = load_config(write(tmp_path, f'[encoder]\nmodel = "{model}"'))
    assert config.encoder_settings.model == model


def test_a_folder_of_a_model_is_relative_to_the_file(tmp_path):
    config = load_config(write(tmp_path, '[encoder]\nmodel = "./mine"\ncache = "vectors"'))
    assert config.encoder_settings.model == str(tmp_path / "mine")
    assert config.encoder_settings.cache == str(tmp_path / "vectors")


@pytest.mark.parametrize("store", [":memory:", "https://qdrant.example:6333"])
def test_a_store_that_is_no_folder_stays(tmp_path, store):
    config = load_config(write(tmp_path, f'[collection]\nstore = "{store}"'))
    assert config.collection_settings.store == store


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[encodr]", "no encodr .did you mean encoder"),
        ('[encoder]\nmodle = "light"', r"\[encoder\]: there is no modle .did you mean model"),
        ("encoder = 3", r"encoder is a table: \[encoder\]"),
        ("[encoder]\ndimensions = true", "dimensions = True is no int"),
        ("[encoder]\nmodel = 1", "model = 1 is no str"),
        ('[encoder]\ntruncation = "cut"', "truncation = 'cut' is not one of warn"),
        ('[encoder]\napi_key = "k3y"', "api_key does not belong into a file"),
        ('[encoder]\napi_key_env = "k-3-y"', "is the name of an environment variable"),
        ('[encoder]\nbase_url = "https://u:k3y@x"', "base_url holds a password"),
        ('[collection]\nstore = "https://u:k3y@x"', "store holds a password"),
        ('[collection]\nquantization = "int4"', "is not one of int8"),
        ('[reranker]\noptions = { api_key = "k3y" }', r"\[reranker\]: options: api_key does not"),
        ('[reranker]\nkind = "cross-encoder"', "needs a model"),
        ("[reranker]\ntop_n = -1", "top_n=-1"),
        ("[encoder", r"rolevec\.toml: "),
    ],
)
def test_what_there_is_not_is_named_and_no_secret_is(tmp_path, text, said):
    with pytest.raises(ValueError, match=said) as caught:
        load_config(write(tmp_path, text))
    assert "k3y" not in str(caught.value)
    assert "k-3-y" not in str(caught.value)
    assert "rolevec.toml" in str(caught.value)


@pytest.mark.parametrize("text", ["- a\n", "3", "encoder: [", "encoder: 3"])
def test_a_yaml_file_that_is_none(tmp_path, text):
    with pytest.raises(ValueError, match=r"rolevec\.yaml: "):
        load_config(write(tmp_path, text, "rolevec.yaml"))


def test_a_file_of_another_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.toml, \.yaml or \.yml"):
        load_config(write(tmp_path, "{}", "rolevec.json"))
    with pytest.raises(ValueError, match=r"\.toml, \.yaml or \.yml"):
        save_config(Config(), tmp_path / "rolevec.json")


def test_a_key_comes_from_the_environment(monkeypatch):
    settings = EncoderSettings("cohere:embed-v4.0", api_key_env="OUR_KEY")
    monkeypatch.setenv("OUR_KEY", "k3y")
    assert settings.options()["api_key"] == "k3y"
    assert "k3y" not in repr(settings)
    assert "k3y" not in repr(Config(settings).to_dict())
    monkeypatch.delenv("OUR_KEY")
    with pytest.raises(RolevecError, match=r"\[encoder\] .* OUR_KEY, which is not set"):
        settings.options()


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    TEXT
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(st.dictionaries(TEXT, VALUES, max_size=4))
def test_toml_is_read_back_as_it_was(table):
    assert tomllib.loads(write_toml({"encoder": table})) == {"encoder": table}


@given(
    model=TEXT.filter(bool),
    prompts=st.none() | st.dictionaries(TEXT, TEXT, max_size=2),
    top_n=st.integers(0, 100),
    fields=st.dictionaries(TEXT, TEXT, max_size=2),
)
def test_a_configuration_is_what_it_says(tmp_path_factory, model, prompts, top_n, fields):
    folder = tmp_path_factory.getbasetemp()
    config = read_config(
        {
            "encoder": {"model": model} | ({} if prompts is None else {"prompts": prompts}),
            "collection": {"indexed_fields": fields},
            "reranker": {"top_n": top_n},
        },
        folder,
    )
    assert read_config(config.to_dict(), folder) == config


def test_every_unknown_name_is_told():
    with pytest.raises(ValueError, match="no a, b; there is model"):
        check_names({"a": 1, "b": 2}, {"model": 1}, "x")
