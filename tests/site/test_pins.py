"""The locks of this checkout: exact, hashed, and without addresses."""

import json
import re
from pathlib import Path

import pytest

from backburner_site import checkout
from backburner_site.errors import BuildFailed
from backburner_site.pins import read_pins

REQUIREMENT_LOCKS = sorted(checkout.REQUIREMENTS.glob("*.txt"))


def a_site(folder: Path, *, wanted: str = "1.0.0", locked: str = "1.0.0") -> Path:
    (folder / "package.json").write_text(json.dumps({"dependencies": {"pan": wanted}}))
    entry = {"version": locked, "integrity": "sha512-abc"}
    (folder / "package-lock.json").write_text(json.dumps({"packages": {"node_modules/pan": entry}}))
    (folder / "parts.toml").write_text(
        '[npm.pan]\nfolder = "pan"\nstrip = "dist/"\nfiles = ["dist/a/pan.js"]\nlicence = "MIT"\n'
        "[wheels]\n[members]\n"
    )
    return folder


def test_a_file_goes_into_the_parts_folder_without_what_is_stripped(tmp_path: Path) -> None:
    (part,) = read_pins(a_site(tmp_path)).npm
    assert part.files == {"dist/a/pan.js": "pan/a/pan.js"}


def test_a_lock_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=r"does not lock pan 1\.0\.1"):
        read_pins(a_site(tmp_path, wanted="1.0.1"))


def test_parts_and_packages_must_name_the_same(tmp_path: Path) -> None:
    site = a_site(tmp_path)
    (site / "package.json").write_text(json.dumps({"dependencies": {"pan": "1.0.0", "lid": "2"}}))
    with pytest.raises(BuildFailed, match="lid"):
        read_pins(site)


def test_this_checkouts_pins_fit_each_other() -> None:
    pins = read_pins(checkout.SITE)
    assert all(re.fullmatch(r"\d+(\.\d+)+", part.version) for part in pins.npm)


def test_the_npm_lock_holds_no_addresses() -> None:
    lock = json.loads((checkout.SITE / "package-lock.json").read_text())
    for name, entry in lock["packages"].items():
        assert "resolved" not in entry, name
        assert name == "" or entry["integrity"].startswith("sha512-"), name


@pytest.mark.parametrize("lock", REQUIREMENT_LOCKS, ids=lambda lock: lock.name)
def test_a_python_lock_holds_exact_versions_hashes_and_no_addresses(lock: Path) -> None:
    text = lock.read_text()
    assert "http" not in text
    assert "--index-url" not in text
    entries = re.split(r"^(?=[a-z0-9])", text.replace("\\\n", ""), flags=re.MULTILINE)[1:]
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9-]+==\S+ +--hash=sha256:[0-9a-f]{64}", entry), entry


def test_a_package_in_two_locks_has_one_version() -> None:
    versions: dict[str, set[str]] = {}
    for lock in REQUIREMENT_LOCKS:
        for name, version in re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.MULTILINE):
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}
