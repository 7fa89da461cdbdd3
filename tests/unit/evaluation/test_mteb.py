"""Task classes of the installed mteb, on the small data that it makes for such tests itself."""

import numpy as np
import pytest

from rolevec import Role, load_encoder
from rolevec.errors import RolevecError
from rolevec.evaluation import MTEBEncoder, run_mteb
from rolevec.evaluation.mteb import role_of
from rolevec.testing import FakeEncoder

mteb = pytest.importorskip("mteb")
mocks = pytest.importorskip("mteb.mocks.mock_tasks")
pytestmark = pytest.mark.slow  # mteb takes seconds to import

Q, D = Role.QUERY, Role.DOCUMENT
TASKS = {
    "MockRetrievalTask": {Q, D},
    "MockRerankingTask": {Q, D},
    "MockBitextMiningTask": {D},
    "MockSTSTask": {D},
    "MockPairClassificationTask": {D},
    "MockSummarizationTask": {D},
    "MockClassificationTask": {Role.CLASSIFICATION},
    "MockMultilingualClusteringFastTask": {Role.CLUSTERING},
}


class Listening(FakeEncoder):
    """Remembers the roles it was asked for."""

    def __init__(self):
        super().__init__()
        self.roles = []

    def encode(self, texts, role, **options):
        self.roles.append(Role.parse(role))
        return super().encode(texts, role, **options)


def test_it_fits_the_protocol():
    from mteb.models.models_protocols import EncoderProtocol

    assert isinstance(MTEBEncoder(FakeEncoder()), EncoderProtocol)


@pytest.mark.parametrize("name", TASKS)
def test_every_type_of_task_runs_with_its_roles(name):
    encoder = Listening()
    result = run_mteb(encoder, [getattr(mocks, name)()])
    (found,) = result.task_results
    assert 0 <= found.get_score() <= 1 or name in {"MockSTSTask", "MockSummarizationTask"}
    assert set(encoder.roles) == TASKS[name]


def test_a_real_encoder_finds_what_stands_word_for_word():
    result = run_mteb(load_encoder("light"), [mocks.MockRetrievalTask()])
    assert result.task_results[0].get_score() > 0
    assert result.model_name.startswith("rolevec/")


def test_the_cache_answers_for_the_same_encoder_only(tmp_path, static_folder):
    def run(**options):
        encoder = load_encoder(static_folder, truncation="end", **options)
        found = []
        plain = encoder.encode_with_report
        encoder.encode_with_report = lambda *a, **k: found.append(1) or plain(*a, **k)
        run_mteb(encoder, [mocks.MockSTSTask()], cache=tmp_path)
        return bool(found)

    assert run()
    assert not run()
    assert run(dimensions=16)
    assert run(prompts={"document": "other: "})


def test_roles_that_a_task_does_not_name():
    assert role_of("STS", None) is D
    assert role_of("Classification", "query") is Q
    assert role_of("InstructionReranking", "document") is D
    assert role_of("Clustering", None) is Role.CLUSTERING


def test_blank_texts_and_images():
    encoder = MTEBEncoder(FakeEncoder())
    task = mocks.MockSTSTask().metadata
    asked = {"task_metadata": task, "hf_split": "test", "hf_subset": "default"}
    rows = encoder.encode([{"text": ["", "a"]}, {"text": [" "]}], **asked)
    np.testing.assert_array_equal(rows[0], rows[2])
    assert encoder.similarity(rows, rows).shape == (3, 3)
    assert encoder.similarity_pairwise(rows, rows) == pytest.approx([1, 1, 1])
    with pytest.raises(RolevecError, match="image"):
        encoder.encode([{"image": [None]}], **asked)


def test_the_card_is_told():
    meta = MTEBEncoder(load_encoder("light")).mteb_model_meta
    light = load_encoder("light")
    assert (meta.embed_dim, meta.max_tokens) == (light.dim, light.max_tokens)
    assert meta.revision == light.fingerprint.digest
    assert meta.use_instructions
