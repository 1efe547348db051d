"""PyTorch beside the page: what is said without it, and what its process answers with it."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from backburner_site import checkout
from backburner_site.bench import command, native
from backburner_site.bench.contest import Contest, Unmeasurable
from backburner_site.bench.native import PyTorch
from backburner_site.bench.workloads import WORKLOADS, Workload
from backburner_site.errors import RunFailed
from backburner_site.progress import Progress
from tests.site.bench.makers import FakeContestant

needs_torch = pytest.mark.skipif(
    not native.is_installed(), reason="PyTorch is not installed (the extra `peers`)"
)
UNKNOWN = Workload(
    name="W0",
    title="",
    input=(4, 4, 1),
    layers=({"type": "attention"},),
    batch_size=1,
)

GREETING = """
import json, sys
sys.stdin.readline()
print(json.dumps({"torch": "0"}), flush=True)
"""
DYING = (
    GREETING
    + """
import os, signal
sys.stdin.readline()
print(json.dumps({"ways": []}), flush=True)
sys.stdin.readline()
print(json.dumps({"ms_per_step": 1.0}), flush=True)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""
)
"""A peer that gets ready, has one round, and is killed in the second, as by a full memory."""


def test_without_torch_it_is_said_how_to_get_it_and_nobody_is_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(native, "is_installed", lambda: False)
    bench = command.Bench(WORKLOADS, rounds=1, progress=Progress())
    with ExitStack() as open_:
        assert bench._natives(open_) == []
    said = capsys.readouterr().err
    assert "PyTorch is not installed, so there is no comparison with it" in said
    assert "pip --python" in said
    assert "torch==" in said


def test_a_process_that_cannot_be_started_is_a_failure_that_shows_what_it_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(native, "MODULE", "backburner_site.no_such_module")
    with pytest.raises(RunFailed, match="process of pytorch ended") as failure:
        PyTorch("pytorch", 1).__enter__()
    assert "no_such_module" in failure.value.detail


def test_a_process_that_dies_is_left_out_and_not_started_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "dying_peer.py").write_text(DYING, encoding="utf-8")
    monkeypatch.setattr(checkout, "PY", tmp_path)
    monkeypatch.setattr(native, "MODULE", "dying_peer")
    ours = FakeContestant("ours", [2.0] * 6)
    with PyTorch("pytorch", 1) as peer:
        contest = Contest([ours, peer], rounds=3, round_ms=1, progress=Progress())
        contest.run(WORKLOADS[:2])
        assert peer._process.poll() == -signal.SIGKILL
    reason = "The process of pytorch ended by signal 9, perhaps because the memory was full."
    for result in contest.results:
        assert result.left_out == {"pytorch": reason}
        assert len(result.rounds["ours"]) == 3
        assert "pytorch" not in result.peers()
    assert "pytorch" in contest.results[0].notes
    assert "pytorch" not in contest.results[1].notes


@pytest.mark.parametrize("last", ["", '{"ms_per_'])
def test_a_process_that_ends_itself_tells_its_exit_code_each_time_it_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, last: str
) -> None:
    ending = f"import sys\nprint('{last}', end='')\nsys.exit(3)\n"
    (tmp_path / "dying_peer.py").write_text(GREETING + ending, encoding="utf-8")
    monkeypatch.setattr(checkout, "PY", tmp_path)
    monkeypatch.setattr(native, "MODULE", "dying_peer")
    with PyTorch("pytorch", 1) as peer:
        for _ in range(2):
            with pytest.raises(Unmeasurable, match="ended with exit code 3"):
                peer.prepare(WORKLOADS[0])


@needs_torch
def test_it_says_nothing_of_a_missing_numpy() -> None:
    with PyTorch("pytorch", 1) as peer:
        assert "NumPy" not in peer._last_words()


@needs_torch
def test_every_workload_can_be_trained_there() -> None:
    with PyTorch("pytorch", 1) as peer:
        for workload in WORKLOADS:
            ready = peer.prepare(workload)
            assert ready["threads"] == 1
            found = peer.measure(workload, 1)
            assert list(found.facts["ways_ms"]) == ready["ways"]
            assert found.ms_per_step == min(found.facts["ways_ms"].values()) > 0


@needs_torch
def test_the_plain_one_asks_for_nothing_special() -> None:
    with PyTorch("pytorch-plain", 1, plain=True) as peer:
        assert peer.prepare(WORKLOADS[2])["ways"] == ["contiguous, default"]


@needs_torch
def test_a_layer_that_it_has_not_is_no_failure_but_a_reason_to_pass() -> None:
    with PyTorch("pytorch", 1) as peer:
        with pytest.raises(Unmeasurable, match="no layer 'attention'"):
            peer.prepare(UNKNOWN)
        assert peer.prepare(WORKLOADS[2])
