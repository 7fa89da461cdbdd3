import subprocess
import sys

import pytest

import rolevec.llama_index

WITHOUT = """
import sys
sys.modules["{missing}"] = None
import rolevec.llama_index
try:
    rolevec.llama_index.RolevecEmbedding
except ImportError as error:
    print(error)
"""


def test_every_name_is_there_and_no_other():
    for name in rolevec.llama_index.__all__:
        assert getattr(rolevec.llama_index, name).__name__ == name
    with pytest.raises(AttributeError, match="Nonsense"):
        rolevec.llama_index.Nonsense  # noqa: B018


@pytest.mark.parametrize("missing", ["llama_index", "llama_index.core"])
def test_without_llama_index_the_message_holds_the_command(missing):
    code = WITHOUT.format(missing=missing)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'rolevec[llama-index]'" in out.stdout
