import subprocess
import sys

import pytest

import rolevec.langchain

WITHOUT = """
import sys
sys.modules["langchain_core"] = None
import rolevec.langchain
try:
    rolevec.langchain.RolevecEmbeddings
except ImportError as error:
    print(error)
"""


def test_every_name_is_there_and_no_other():
    for name in rolevec.langchain.__all__:
        assert getattr(rolevec.langchain, name).__name__ == name
    with pytest.raises(AttributeError, match="Nonsense"):
        rolevec.langchain.Nonsense  # noqa: B018


def test_without_langchain_the_message_holds_the_command():
    out = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True
    )
    assert "pip install 'rolevec[langchain]'" in out.stdout
