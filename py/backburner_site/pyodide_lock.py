"""Rewrites Pyodide's lock: only what is shipped, and with the hashes of what is shipped.

The npm package locks some 300 packages by the hashes of files on Pyodide's own server; the site
ships four, from other places, and must never ask another server.
"""

import json
from pathlib import Path
from typing import Any

from backburner_site.cache import sha256_of
from backburner_site.errors import BuildFailed

SHIPPED = ("numpy", "micropip")


def rewrite_lock(original: str, wheels: dict[str, Path], version: str) -> str:
    """The lock for exactly `wheels`, {name: file}; `backburner` among them.

    Raises BuildFailed when the original lacks one of the others, or locks another version.
    """
    lock: dict[str, Any] = json.loads(original)
    packages: dict[str, Any] = {}
    for name in SHIPPED:
        entry = lock["packages"].get(name)
        if entry is None:
            raise BuildFailed(
                f"Pyodide's lock does not name {name}. Another release of Pyodide needs another "
                "list: compare SHIPPED in backburner_site/pyodide_lock.py with its lock."
            )
        shipped_version = wheels[name].name.split("-")[1]
        packages[name] = entry | _file(wheels[name]) | {"version": shipped_version}
    packages["backburner"] = {
        "name": "backburner",
        "version": version,
        "install_dir": "site",
        "package_type": "package",
        "depends": [],
        "imports": ["backburner"],
        "unvendored_tests": False,
    } | _file(wheels["backburner"])
    return json.dumps({"info": lock["info"], "packages": packages}, indent=1)


def _file(wheel: Path) -> dict[str, str]:
    return {"file_name": wheel.name, "sha256": sha256_of(wheel)}
