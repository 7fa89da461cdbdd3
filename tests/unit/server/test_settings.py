import pytest

from rolevec.errors import RolevecError
from rolevec.server import KeySettings, ModelSettings, Settings, load_settings
from rolevec.server.keys import digest
from rolevec.server.settings import read_settings

HASH = digest("secret")
TOML = f"""
host = "0.0.0.0"
port = 9000
any_name = true
origins = ["https://example.org"]

[[models]]
model = "light"
name = "small"
aliases = ["embed-multilingual-v3.0"]
options = {{ dimensions = 64 }}

[[models]]
model = "org/big"
workers = 2

[[rerankers]]
model = "cohere:rerank-v3.5"

[[keys]]
name = "app"
sha256 = "{HASH}"
requests_per_minute = 60

[limits]
deadline = 5
cohere_texts = 10
"""


def test_a_file_with_everything(tmp_path):
    path = tmp_path / "serve.toml"
    path.write_text(TOML, encoding="utf-8")
    settings = load_settings(path, port=1)
    assert settings.port == 1
    assert settings.host == "0.0.0.0"
    first, second = settings.models
    aliases = ("embed-multilingual-v3.0",)
    assert first == ModelSettings("light", "small", aliases, options={"dimensions": 64})
    assert second.workers == 2
    assert settings.rerankers[0].model == "cohere:rerank-v3.5"
    assert settings.keys == (KeySettings("app", HASH, 60),)
    assert settings.limits.deadline == 5
    assert settings.limits.openai_texts == 2048
    settings.check_exposure()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"prot": 1}, "there is no prot"),
        ({"port": "1"}, "is no int"),
        ({"port": True}, "is no int"),
        ({"port": 1 << 16}, "between 0 and 65535"),
        ({"models": []}, "at least one model"),
        ({"models": "light"}, r"\[\[models\]\]"),
        ({"models": [{"model": "light", "alias": "x"}]}, "there is no alias"),
        ({"models": [{"model": "light", "workers": 0}]}, "workers=0"),
        ({"models": [{"model": "light", "aliases": [1]}]}, "list of strings"),
        ({"rerankers": [{}]}, "model"),
        ({"keys": [{"name": "a", "sha256": "secret"}]}, "--new-key a"),
        ({"keys": [{"name": "", "sha256": HASH}]}, "needs a name"),
        ({"keys": [{"name": "a", "sha256": HASH}] * 2}, "same name"),
        ({"limits": 3}, r"\[limits\]"),
        ({"limits": {"deadline": 0}}, "deadline=0"),
        ({"limits": {"drain": -1}}, "drain=-1"),
        ({"token_ids": "gpt2"}, "cl100k_base, model"),
        ({"openai_truncation": ["end"]}, "not one of"),
        ({"log_level": "loud"}, "not one of"),
    ],
)
def test_what_there_is_not_is_named(data, said):
    with pytest.raises(ValueError, match=said):
        read_settings(data)


def test_a_broken_file_is_named(tmp_path):
    path = tmp_path / "serve.toml"
    path.write_text("port = ", encoding="utf-8")
    with pytest.raises(ValueError, match=r"serve\.toml is no TOML"):
        load_settings(path)
    path.write_text("prot = 1", encoding="utf-8")
    with pytest.raises(ValueError, match=r"serve\.toml: .*there is no prot"):
        load_settings(path)


def test_nobody_is_let_in_by_accident():
    for host in ("127.0.0.1", "localhost", "::1"):
        Settings(host=host).check_exposure()
    Settings(host="0.0.0.0", allow_open=True).check_exposure()
    Settings(host="0.0.0.0", keys=(KeySettings("a", HASH),)).check_exposure()
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        with pytest.raises(RolevecError, match="--allow-open"):
            Settings(host=host).check_exposure()
