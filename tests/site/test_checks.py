"""What `build.py test` runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backburner_site import checkout, checks
from backburner_site.progress import Progress

SOAK_FILE = "tests/engine/test_soak.py"


@pytest.mark.parametrize(
    ("arguments", "lints"),
    [([], True), (["--soak"], True), (["tests/core"], False), (["--soak", "-x"], False)],
    ids=str,
)
def test_only_arguments_that_choose_tests_leave_the_other_checks_out(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], lints: bool
) -> None:
    did: list[object] = []
    monkeypatch.setattr(checks.environment, "ensure", lambda *_: None)
    monkeypatch.setattr(checks, "find_browser", lambda _: Path("chromium"))
    monkeypatch.setattr(checks, "build", lambda *_: None)
    monkeypatch.setattr(checks, "check_sources", lambda _: did.append("checks") or 0)
    monkeypatch.setattr(checks, "_run_pytest", lambda given, *_: did.append(given) or 0)
    assert checks.test(arguments, Progress()) == 0
    assert did == (["checks", arguments] if lints else [arguments])


@pytest.mark.parametrize("given", [[], ["--soak"]], ids=["usual", "soak"])
def test_tests_that_take_long_are_there_with_soak_only_and_never_skipped(given: list[str]) -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", SOAK_FILE, *given]
    environ = os.environ | {"PYTHONPATH": str(checkout.PY)}
    found = subprocess.run(
        command, cwd=checkout.ROOT, env=environ, capture_output=True, text=True, check=True
    ).stdout
    assert ("ten_thousand" in found) == (given == ["--soak"])
    assert ("deselected" in found) == (given == [])
    assert "skipped" not in found
