"""Puts a licence text for every shipped part into dist/licenses.

Some packages ship their text, some only name it. The texts of those come from micropip's wheel
(its own MPL-2.0, and Apache-2.0 beside its copy of packaging), so that none is written down
twice. site/licenses holds what no package carries.
"""

import re
import shutil
import zipfile
from pathlib import Path

from backburner_site import checkout
from backburner_site.errors import BuildFailed
from backburner_site.pins import Pins


def write_licences(pins: Pins, dist: Path, wheels: dict[str, Path]) -> None:
    """One text file for each part. `wheels`: {name: file} of the shipped ones.

    Raises BuildFailed when there is no text for a part.
    """
    folder = dist / "licenses"
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted((checkout.SITE / "licenses").glob("*.txt")):
        shutil.copyfile(file, folder / file.name)
    micropip = wheels["micropip"]
    general = {
        "MPL-2.0": _texts_in(micropip, r"micropip-.*\.dist-info/licenses/LICENSE"),
        "Apache-2.0": _texts_in(micropip, "micropip/_vendored/packaging/LICENSE.APACHE"),
    }
    for part in pins.npm:
        shipped = [dist / path for path in part.files.values() if path.endswith("/LICENSE")]
        text = shipped[0].read_text() if shipped else general.get(part.licence, "")
        _write(folder, part.name, f"{part.name} {part.version}", part.licence, text)
    numpy = pins.members["numpy"]
    licences = {name: wheel.licence for name, wheel in pins.wheels.items()}
    for name, licence in {**licences, "numpy": numpy.licence}.items():
        text = _texts_in(wheels[name], rf"{name}-.*\.dist-info/licenses/.*[^/]")
        _write(folder, name, wheels[name].name, licence, text)
    own = checkout.ROOT / "LICENSE"
    if own.is_file():
        shutil.copyfile(own, folder / "backburner.txt")


def _write(folder: Path, name: str, title: str, licence: str, text: str) -> None:
    if not text:
        raise BuildFailed(
            f"There is no licence text for {title} ({licence}). "
            "Name a file of the part that holds it in site/parts.toml, or add it to site/licenses."
        )
    file = folder / (name.removeprefix("@").replace("/", "-") + ".txt")
    file.write_text(f"{title}\nLicence: {licence}\n\n{text}")


def _texts_in(wheel: Path, pattern: str) -> str:
    """The files of a wheel whose whole path fits the pattern, one after the other."""
    with zipfile.ZipFile(wheel) as archive:
        names = sorted(name for name in archive.namelist() if re.fullmatch(pattern, name))
        texts = [f"--- {Path(name).name}\n\n{archive.read(name).decode()}" for name in names]
    return "\n\n".join(texts)
