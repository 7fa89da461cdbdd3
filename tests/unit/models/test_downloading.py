"""Whole downloads, by the real huggingface_hub, from a hub that this test serves."""

import hashlib
import json
import os
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from rolevec.models import hub

pytest.importorskip("huggingface_hub")

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b"{}",
    "tokenizer.json": b'{"version": "1.0"}',
    "1_Pooling/config.json": b'{"pooling_mode_mean_tokens": true}',
    "model.safetensors": b"weights",
    "pytorch_model.bin": b"pickle",
    "modeling.py": b"raise SystemExit",
}


class Hub(BaseHTTPRequestHandler):
    """The three routes of the hub that a download uses, for acme/tiny and acme/gated."""

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, *, with_body):
        path = urlsplit(self.path).path
        self.server.asked.append(path)
        if "/acme/gated" in path:
            return self.send(403, b"", {"X-Error-Code": "GatedRepo"}, with_body)
        if path == f"/api/models/acme/tiny/revision/{COMMIT}":
            info = {"id": "acme/tiny", "sha": COMMIT, "tags": [], "siblings": []}
            return self.send(200, json.dumps(info).encode(), {}, with_body)
        if path == f"/api/models/acme/tiny/tree/{COMMIT}":
            tree = [
                {"type": "file", "path": name, "size": len(data), "oid": digest(data)}
                for name, data in FILES.items()
            ]
            return self.send(200, json.dumps(tree).encode(), {}, with_body)
        data = FILES.get(path.removeprefix(f"/acme/tiny/resolve/{COMMIT}/"))
        if data is not None:
            headers = {"ETag": f'"{digest(data)}"', "X-Repo-Commit": COMMIT}
            return self.send(200, data, headers, with_body)
        code = "RevisionNotFound" if "/acme/tiny/" in path else "RepoNotFound"
        return self.send(404, b"", {"X-Error-Code": code}, with_body)

    def send(self, status, body, headers, with_body):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def digest(data):
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


@contextmanager
def serving():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked = []
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def attempt(home, server, name, revision=COMMIT):
    """Download in a fresh process, because huggingface_hub reads the environment on import."""
    code = f"""
        from rolevec.errors import ModelNotAvailable
        from rolevec.models.hub import download
        try:
            print(download({name!r}, {revision!r}))
        except ModelNotAvailable as error:
            print("ModelNotAvailable:", error)
    """
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={
            **inherited,
            "PYTHONPATH": str(Path(hub.__file__).parents[2]),
            "HF_HOME": str(home),
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "NO_PROXY": "127.0.0.1",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.strip().splitlines()[-1]


def test_safe_files_come_once_and_the_rest_is_never_asked_for(tmp_path):
    with serving() as server:
        folder = Path(attempt(tmp_path, server, "acme/tiny"))
        there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        assert there == set(FILES) - {"pytorch_model.bin", "modeling.py"}
        assert all((folder / name).read_bytes() == FILES[name] for name in there)
        assert not any(path.endswith((".bin", ".py")) for path in server.asked)
        server.asked.clear()
        assert attempt(tmp_path, server, "acme/tiny") == str(folder)
        assert server.asked == []


@pytest.mark.parametrize(
    ("name", "revision", "advice"),
    [
        ("acme/gated", COMMIT, "accept its terms at https://huggingface.co/acme/gated"),
        ("acme/absent", COMMIT, "check the spelling"),
        ("acme/tiny", "f" * 40, "give another revision="),
    ],
)
def test_refusals_of_the_hub_say_what_to_do(tmp_path, name, revision, advice):
    with serving() as server:
        answer = attempt(tmp_path, server, name, revision)
    assert answer.startswith("ModelNotAvailable:")
    assert advice in answer
