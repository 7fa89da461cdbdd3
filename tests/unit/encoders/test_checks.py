"""The doctor finds nothing on sound encoders and the fault on broken ones."""

import numpy as np
import pytest

from rolevec.encoders.caching import CachedEncoder
from rolevec.encoders.checks import check_encoder
from rolevec.encoders.onnx import OnnxEncoder
from rolevec.encoders.static import StaticEncoder
from rolevec.prompts import Prompts
from rolevec.testing import FakeEncoder

ROLES = {"query": "query: ", "document": "passage: "}


def failed(encoder):
    return [check.name for check in check_encoder(encoder) if not check.passed]


def details(encoder):
    return {check.name: check.detail for check in check_encoder(encoder)}


@pytest.mark.parametrize("policy", ["warn", "end", "start", "error", "split"])
def test_sound_encoders_pass(static_folder, make_folder, tmp_path, policy):
    # The tiny model knows few words, so its limit must leave room for the probes.
    folder = make_folder(config={"max_position_embeddings": 64})
    encoders = [
        OnnxEncoder(folder, prompts=ROLES, truncation=policy),
        OnnxEncoder(folder, truncation=policy),
        FakeEncoder(truncation=policy, max_tokens=32),
        CachedEncoder(FakeEncoder(truncation=policy), tmp_path / "c.sqlite"),
    ]
    if policy != "error":
        encoders.append(StaticEncoder(static_folder, truncation=policy))
    for encoder in encoders:
        assert failed(encoder) == [], encoder


def test_what_was_seen_is_told(make_folder):
    seen = details(OnnxEncoder(make_folder(config={"max_position_embeddings": 64})))
    assert seen["backend"].startswith("onnx, cpu, float32: tiny@")
    assert "no roles" in seen["roles"]
    assert "no prompts" in seen["prompts applied"]
    assert "over 64" in seen["truncation reported"]


class Scaled(FakeEncoder):
    def _finish(self, rows):
        return super()._finish(rows) * 2


class Reversed(FakeEncoder):
    def _rows(self, texts, role, batch_size, advance):
        rows, dropped = super()._rows(texts, role, batch_size, advance)
        return rows[::-1], dropped


class Deaf(FakeEncoder):
    def _rows(self, texts, role, batch_size, advance):
        return super()._rows(texts, "document", batch_size, advance)


class Silent(FakeEncoder):
    def _rows(self, texts, role, batch_size, advance):
        rows, dropped = super()._rows(texts, role, batch_size, advance)
        return rows, [0] * len(dropped)


class Broken(FakeEncoder):
    def _rows(self, texts, role, batch_size, advance):
        rows, dropped = super()._rows(texts, role, batch_size, advance)
        return np.full_like(rows, np.nan), dropped


class Unprompted(OnnxEncoder):
    """Promises prompts in its fingerprint and leaves them out."""

    def token_ids(self, texts, role):
        prompts, self.prompts = self.prompts, Prompts()
        try:
            return super().token_ids(texts, role)
        finally:
            self.prompts = prompts


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Scaled, "unit length"),
        (Reversed, "order"),
        (Reversed, "batch equals singles"),
        (Deaf, "roles"),
        (Silent, "truncation reported"),
        (Broken, "finite"),
    ],
)
def test_faults_are_found(kind, name):
    assert name in failed(kind(max_tokens=32, truncation="end"))


def test_a_prompt_left_out_is_found(make_folder):
    folder = make_folder(config={"max_position_embeddings": 64})
    assert failed(Unprompted(folder, prompts=ROLES)) == ["prompts applied"]
