"""One file, and the same encoder and collection whoever asks."""

import pickle
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner
from langchain_core.documents import Document as LangChainDocument
from langchain_core.load import dumps
from llama_index.core.schema import NodeWithScore, TextNode

from rolevec import Document, load_config
from rolevec.cli.main import main

FILE = """
[encoder]
model = "light"
dimensions = 128

[collection]
name = "notes"
store = "./data"
indexed_fields = { year = "integer" }

[reranker]
top_n = 1
"""
TEXTS = ["Die Bank öffnet um neun.", "Bei Fieber viel trinken.", "Der Zug fährt ab."]
QUERY = "When does the bank open?"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "rolevec.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


@pytest.fixture
def config(path):
    config = load_config(path)
    with config.collection() as collection:
        collection.add(Document(text, str(n), {"year": n}) for n, text in enumerate(TEXTS))
    return config


def test_the_three_ways_have_one_fingerprint_and_one_answer(config):
    with config.collection(create=False) as collection:
        fingerprint, best = collection.fingerprint, collection.search(QUERY, k=1)[0]
    assert fingerprint == config.encoder().fingerprint
    assert fingerprint.dim == 128

    embeddings, store, _ = config.langchain()
    assert embeddings.encoder.fingerprint == fingerprint
    assert store.similarity_search(QUERY, k=1)[0].id == best.id
    store.close()

    embedding, nodes, _ = config.llama_index()
    assert embedding.encoder.fingerprint == fingerprint
    assert nodes.collection.search(QUERY, k=1)[0].id == best.id
    nodes.collection.close()


def test_the_embeddings_can_be_serialised(config):
    embeddings, store, _ = config.langchain()
    assert "light" in dumps(embeddings)
    assert pickle.loads(pickle.dumps(embeddings)).dimensions == 128
    store.close()


def test_the_rerankers_keep_what_the_file_says(config):
    _, store, reranker = config.langchain()
    documents = [LangChainDocument(text) for text in TEXTS]
    assert [d.page_content for d in reranker.compress_documents(documents, QUERY)] == TEXTS[:1]
    store.close()
    _, nodes, postprocessor = config.llama_index()
    found = [NodeWithScore(node=TextNode(text=text)) for text in TEXTS]
    kept = postprocessor.postprocess_nodes(found, query_str=QUERY)
    assert [node.text for node in kept] == TEXTS[:1]
    nodes.collection.close()


def test_without_a_reranker_there_is_none(path):
    path.write_text("[collection]\nstore = ':memory:'", encoding="utf-8")
    config = load_config(path)
    assert config.scorer() is None
    assert config.langchain().reranker is None
    assert config.llama_index().reranker is None


def test_a_reranker_may_be_another_model(path):
    path.write_text("[reranker]\nmodel = 'light'\noptions = { dimensions = 64 }", encoding="utf-8")
    assert load_config(path).scorer().dim == 64


def test_the_commands_read_the_file(path, tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for number, text in enumerate(TEXTS):
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    run = CliRunner()
    done = run.invoke(main, ["index", str(folder), "--config", str(path)])
    assert done.exit_code == 0, done.output
    assert f"'notes' in {tmp_path / 'data'} holds 3 documents" in done.output
    assert f"--config {path}" in done.output
    found = run.invoke(main, ["search", QUERY, "--config", str(path), "-k", "1"])
    assert TEXTS[0] in found.output
    assert load_config(path).collection(create=False).dim == 128


def test_the_command_line_wins_over_the_file(path, tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    shutil.copy(path, folder / "a.txt")
    options = ["--config", str(path), "--collection", "other", "--dimensions", "64"]
    done = CliRunner().invoke(main, ["index", str(folder), *options])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "data" / "other").is_dir()
    assert not (tmp_path / "data" / "notes").exists()


def test_a_broken_file_is_one_line(path):
    path.write_text("[encodr]", encoding="utf-8")
    done = CliRunner().invoke(main, ["search", "x", "--config", str(path)])
    assert done.exit_code == 1
    assert "did you mean encoder" in done.output


def test_no_framework_is_imported_before_it_is_asked_for(path):
    code = (
        "import sys, rolevec; rolevec.load_config(sys.argv[1]).encoder();"
        "print([m for m in ('langchain_core', 'llama_index', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
