"""`check` and `test`: the one command that checks everything that CI checks.

Lint, format and types first, then pytest, whose closing line is the last thing printed. All are
run even when one fails, so that one look shows everything.
"""

import os
import subprocess
import sys
from pathlib import Path

from backburner_site import checkout, environment
from backburner_site.browser import CHOSEN, find_browser
from backburner_site.progress import Progress
from backburner_site.site import build

SOAK = "--soak"
READ_BY_CHECKERS = ("build.py", "py", "tests")


def check(progress: Progress) -> int:
    """Everything that needs no browser. Returns the exit code."""
    environment.ensure("test", "Installing what the checks need", progress)
    static = check_sources(progress)
    tests = _run_pytest(["-m", "not browser"], {}, progress)
    return static or tests


def test(arguments: list[str], progress: Progress) -> int:
    """Every test; with `arguments`, which go to pytest, only pytest. Returns the exit code.

    `--soak`, which goes there too, takes nothing away: it adds the tests that take long.

    Raises NoBrowser, BuildFailed or EnvironmentFailed.
    """
    environment.ensure("test", "Installing what the tests need", progress)
    browser = find_browser(progress)
    build(checkout.DIST, "/", progress)
    static = check_sources(progress) if set(arguments) <= {SOAK} else 0
    tests = _run_pytest(arguments, {CHOSEN: str(browser)}, progress)
    return static or tests


def check_sources(progress: Progress) -> int:
    """Lint, format and types. Returns 0 or the first failure's exit code."""
    sources = [name for name in READ_BY_CHECKERS if (checkout.ROOT / name).exists()]
    results = [
        _run([sys.executable, "-m", "ruff", "check", "--quiet", *sources], "Lint", progress),
        _run(
            [sys.executable, "-m", "ruff", "format", "--check", "--quiet", *sources],
            "Format",
            progress,
        ),
        _run([sys.executable, "-m", "mypy"], "Types", progress),
    ]
    return next((code for code in results if code), 0)


def _run(command: list[str], title: str, progress: Progress) -> int:
    ended = subprocess.run(command, cwd=checkout.ROOT, capture_output=True, text=True, check=False)
    progress.say(f"{title}: {'as it should be' if ended.returncode == 0 else 'failed'}")
    if ended.returncode != 0:
        progress.say((ended.stdout + ended.stderr).strip())
    return ended.returncode


def _run_pytest(arguments: list[str], extra: dict[str, str], progress: Progress) -> int:
    """pytest in a process of its own: what it prints goes straight through."""
    progress.say("Tests")
    command = [sys.executable, "-m", "pytest", "-p", "backburner_site.skips", *arguments]
    paths = [str(checkout.PY), *filter(None, [os.environ.get("PYTHONPATH")])]
    environ = os.environ | extra | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
    return subprocess.run(command, cwd=_start_folder(), env=environ, check=False).returncode


def _start_folder() -> Path:
    """The checkout: paths in pytest's arguments are given from there."""
    return checkout.ROOT
