"""Owns `.venv`: makes it on first use, completes it, and re-makes it when its lock changed.

Must work where Debian has left out `ensurepip`: the environment is made without pip, and the
pip of the Python that runs build.py fills it from outside (`pip --python`).

A stamp is written last. No stamp, or one for another lock, means that an earlier attempt was
interrupted or is out of date, and the folder is made afresh. Every file that pip installs is
checked against the hashes in requirements/*.txt, so it does not matter where pip finds it.

Only the standard library: this runs before anything is installed.
"""

import hashlib
import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

from backburner_site import checkout
from backburner_site.errors import EnvironmentFailed, HostError
from backburner_site.exclusive import only_one
from backburner_site.progress import Progress

STAMP = "backburner-environment.json"


def enter(arguments: list[str]) -> NoReturn:
    """Makes `.venv` if need be and goes on in it as `python -m backburner_site`."""
    progress = Progress()
    try:
        ensure_host(progress)
    except HostError as error:
        progress.say(f"build.py: {error}")
        if error.detail:
            progress.say(error.detail)
        sys.exit(error.exit_code)
    paths = [str(checkout.PY), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [str(python_in(checkout.VENV)), "-m", "backburner_site", *arguments]
    if sys.platform == "win32":  # there execve leaves the console before the new process ends
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)
    os.execve(command[0], command, environment)


def python_in(venv: Path) -> Path:
    """The interpreter of a virtual environment."""
    return venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def lock_digest(lock: Path) -> str:
    """What a lock file holds, as one value to compare."""
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def is_current(venv: Path, group: str, lock: Path) -> bool:
    """Whether `venv` was completed for exactly this `lock`."""
    return python_in(venv).exists() and read_stamp(venv).get(group) == lock_digest(lock)


def read_stamp(venv: Path) -> dict[str, str]:
    """{group: digest of its lock, "installer": the Python whose pip fills this venv}."""
    try:
        stamp: Any = json.loads((venv / STAMP).read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(venv: Path, stamp: dict[str, str]) -> None:
    """Replaces the stamp in one move, so that it is never read half written."""
    unfinished = venv / f"{STAMP}.{os.getpid()}"
    unfinished.write_text(json.dumps(stamp, indent=1))
    unfinished.replace(venv / STAMP)


def ensure_host(progress: Progress) -> None:
    """Makes `.venv` with what `build` and `serve` need. Raises EnvironmentFailed."""
    venv, lock = checkout.VENV, checkout.REQUIREMENTS / "host.txt"
    if is_current(venv, "host", lock):
        return
    with _one_at_a_time(progress):
        if is_current(venv, "host", lock):
            return
        why = "its lock changed, or it was left unfinished" if venv.exists() else "first use"
        progress.say(f"Making Backburner's own Python environment in .venv ({why})")
        shutil.rmtree(venv, ignore_errors=True)
        has_pip = importlib.util.find_spec("pip") is not None
        if not has_pip and importlib.util.find_spec("ensurepip") is None:
            raise EnvironmentFailed(
                f"This Python ({sys.executable}) has no pip, so nothing can be installed with it. "
                "On Debian and Ubuntu: apt install python3-pip. Then run the same command again."
            )
        flags = ["--without-pip"] if has_pip else []
        _run([sys.executable, "-m", "venv", *flags, str(venv)], "The environment was not made.")
        installer = sys.executable if has_pip else str(python_in(venv))
        with progress.step("Installing what the build needs"):
            _install(venv, installer, lock)
        write_stamp(venv, {"host": lock_digest(lock), "installer": installer})


def ensure(group: str, title: str, progress: Progress) -> None:
    """Adds the packages of requirements/{group}.txt to `.venv`, showing `title` meanwhile.

    Raises EnvironmentFailed.
    """
    venv, lock = checkout.VENV, checkout.REQUIREMENTS / f"{group}.txt"
    if is_current(venv, group, lock):
        return
    with _one_at_a_time(progress):
        if is_current(venv, group, lock):
            return
        with progress.step(title):
            _install(venv, installer_of(venv), lock)
        write_stamp(venv, read_stamp(venv) | {group: lock_digest(lock)})
    importlib.invalidate_caches()


def installer_of(venv: Path) -> str:
    """The Python whose pip fills `venv`: the one that made it."""
    return read_stamp(venv).get("installer") or sys.executable


def pip_command(installer: str, *arguments: str) -> list[str]:
    """pip, asking nothing and talking of nothing but the matter."""
    flags = ["--disable-pip-version-check", "--no-input", "--quiet"]
    return [installer, "-m", "pip", *flags, *arguments]


def _one_at_a_time(progress: Progress) -> Any:
    return only_one(
        checkout.SCRATCH / "environment.lock",
        lambda: progress.say("Another build.py is setting up .venv; waiting for it"),
    )


def _install(venv: Path, installer: str, lock: Path) -> None:
    python = str(python_in(venv))
    command = pip_command(installer, "--python", python, "install")
    _run(
        [*command, "--require-hashes", "--only-binary=:all:", "--requirement", str(lock)],
        f"pip could not install requirements/{lock.name}. Most often there is no network, or no "
        "ready-made package for this system. Run the same command again once that is mended.",
    )


def _run(command: list[str], failure: str) -> None:
    environment = os.environ | {"PIP_USER": "0"}  # a user's own setting must not lead elsewhere
    ended = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if ended.returncode != 0:
        raise EnvironmentFailed(failure, detail=ended.stderr or ended.stdout)
