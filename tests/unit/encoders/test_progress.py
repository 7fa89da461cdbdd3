import re

import pytest

from rolevec.encoders import progress
from rolevec.encoders.progress import counted, counter, stage


def test_silence_unless_asked_for(capsys):
    with counter(3, "working", show=False) as advance:
        advance(3)
    assert capsys.readouterr() == ("", "")


def test_a_log_gets_lines_with_rate_and_time_left(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    with counter(4, "working [x]", show=True, note=lambda: "loss 1.5") as advance:
        advance(1)
        advance(3)
    out, err = capsys.readouterr()
    assert out == ""
    first, second, last = err.splitlines()
    assert re.fullmatch(
        r"working \[x\]: 1 of 4 \(25%\), [\d,]+/s, 0:00:00 elapsed, 0:00:00 left, loss 1.5", first
    )
    assert second.startswith("working [x]: 4 of 4 (100%)")
    assert "left" not in last


def test_an_unknown_total_is_not_made_up(capsys):
    with counter(None, "reading", show=True) as advance:
        advance(2)
    assert re.fullmatch(r"reading: 2, [\d,]+/s, 0:00:00 elapsed", capsys.readouterr().err.strip())


def test_a_failure_still_says_how_far_it_got(capsys):
    with pytest.raises(KeyError), counter(9, "working", show=True) as advance:  # noqa: PT012
        advance(5)
        raise KeyError
    assert "5 of 9" in capsys.readouterr().err


def test_what_was_done_before_is_no_part_of_the_rate(capsys):
    with counter(1000, "working", show=True, done=900):
        pass
    assert "working: 900 of 1,000 (90%), 0/s, " in capsys.readouterr().err


def test_what_comes_is_counted_as_it_is_taken(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    monkeypatch.setattr(progress, "_STEP", 2)
    taken = counted(iter("abcde"), "reading", show=True)
    assert [next(taken) for _ in range(3)] == ["a", "b", "c"]
    assert capsys.readouterr().err.startswith("reading: 2, ")
    assert [*taken] == ["d", "e"]
    assert capsys.readouterr().err.splitlines()[-1].startswith("reading: 5, ")
    assert [*counted("ab", "reading", show=False)] == ["a", "b"]
    assert capsys.readouterr() == ("", "")


def test_a_stage_is_announced_and_timed(capsys):
    with stage("packing [x]", show=True):
        assert capsys.readouterr().err == "packing [x] ...\n"
    assert capsys.readouterr().err == "packing [x]: 0:00:00\n"
    with stage("packing", show=False):
        pass
    assert capsys.readouterr() == ("", "")
