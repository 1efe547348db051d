"""Pyodide's lock names what is shipped and nothing else."""

import json
from pathlib import Path

import pytest

from backburner_site.cache import sha256_of
from backburner_site.errors import BuildFailed
from backburner_site.pyodide_lock import rewrite_lock

INFO = {"abi_version": "2026_0", "python": "3.14.0"}


def an_original(*names: str) -> str:
    packages = {
        name: {"name": name, "version": "1.0", "file_name": f"{name}-1.0.whl", "sha256": "old"}
        | {"imports": [name], "depends": [], "install_dir": "site", "package_type": "package"}
        for name in names
    }
    return json.dumps({"info": INFO, "packages": packages})


def the_wheels(folder: Path) -> dict[str, Path]:
    wheels = {}
    for name in ("numpy", "micropip", "backburner"):
        wheels[name] = folder / f"{name}-2.5-py3-none-any.whl"
        wheels[name].write_bytes(name.encode())
    return wheels


def test_only_what_is_shipped_stays_with_its_own_name_version_and_hash(tmp_path: Path) -> None:
    wheels = the_wheels(tmp_path)
    original = an_original("numpy", "micropip", "scipy")
    lock = json.loads(rewrite_lock(original, wheels, "0.1.0"))
    assert lock["info"] == INFO
    assert set(lock["packages"]) == set(wheels)
    for name in ("numpy", "micropip"):
        entry = lock["packages"][name]
        assert entry["file_name"] == wheels[name].name
        assert entry["sha256"] == sha256_of(wheels[name])
        assert entry["version"] == "2.5"
        assert entry["imports"] == [name]


def test_our_own_package_is_added(tmp_path: Path) -> None:
    wheels = the_wheels(tmp_path)
    original = an_original("numpy", "micropip")
    entry = json.loads(rewrite_lock(original, wheels, "0.1.0"))["packages"]["backburner"]
    assert entry["version"] == "0.1.0"
    assert entry["depends"] == []
    assert entry["imports"] == ["backburner"]
    assert entry["install_dir"] == "site"
    assert entry["sha256"] == sha256_of(wheels["backburner"])


def test_a_lock_without_a_shipped_package_fails_the_build(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="numpy"):
        rewrite_lock(an_original("micropip"), the_wheels(tmp_path), "0.1.0")
