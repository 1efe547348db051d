"""Where things are in this checkout. Owns the folder names, so that no other file repeats them.

Paths are derived from this file's own place: nothing here depends on the working directory.
"""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PY = ROOT / "py"
SITE = ROOT / "site"
WORKERS = ROOT / "workers"
REQUIREMENTS = ROOT / "requirements"
VENV = ROOT / ".venv"
SCRATCH = ROOT / ".build"
DIST = ROOT / "dist"


def version() -> str:
    """The project's version, as pyproject.toml states it."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])
