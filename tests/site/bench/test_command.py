"""However it ends, what was measured is told."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from backburner_site.bench.command import Bench, run
from backburner_site.bench.contest import Contest
from backburner_site.bench.workloads import WORKLOADS
from backburner_site.progress import Progress
from tests.site.bench.makers import result


class Interrupted(Bench):
    """A bench that Ctrl-C ends after its first workload, or before any."""

    def __init__(self, *, measured: bool) -> None:
        self.quiet = Progress(io.StringIO())
        super().__init__(WORKLOADS, rounds=2, progress=self.quiet)
        self._measured = measured

    def run(self, site: Path, program: Path) -> None:
        if self._measured:
            self._contest = Contest((), rounds=2, round_ms=1, progress=self.quiet)
            self._contest.results.append(result(ours=[2.0], pytorch=[3.0]))
        raise KeyboardInterrupt


def interrupt(bench: Bench, file: Path) -> dict[str, object]:
    with pytest.raises(KeyboardInterrupt):
        run(bench, Path("dist"), Path("chromium"), file)
    outcome: dict[str, object] = json.loads(file.read_text())
    return outcome


def test_what_was_measured_before_ctrl_c_is_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = interrupt(Interrupted(measured=True), tmp_path / "bench.json")
    assert outcome["complete"] is False
    assert outcome["boot"] == {}
    workloads = outcome["workloads"]
    assert isinstance(workloads, dict)
    assert workloads["W1"]["ratio"] == {"pytorch": 1.5}
    assert "3 (×1.5)" in capsys.readouterr().out


def test_ctrl_c_before_anything_was_measured_prints_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = interrupt(Interrupted(measured=False), tmp_path / "bench.json")
    assert outcome["workloads"] == {}
    assert capsys.readouterr().out == ""
