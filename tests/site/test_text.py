"""The shipped text is set from docstrings, the same by every Python, or refused."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from backburner.core.text_data import SHIPPED_LENGTH, SHIPPED_VOCABULARY
from backburner_site import text
from backburner_site.errors import BuildFailed

MODULE = '''"""Two ways to greet.

    >>> greet()
    'hello'

And no third.
"""

import os


def greet():
    """Says “hello” — politely…

    ----------------------------------------

        >>> greet()



    Three times.
    """


def _hidden():
    """Nobody sees this."""


class Greeter:
    """Greets again and again."""

    async def later(self):
        """Greets later,
        in its own time."""

    def mute(self):
        pass
'''
SHOWN = """greetings
    Two ways to greet.

        >>> greet()
        'hello'

    And no third.

greetings.greet
    Says "hello" - politely...

    ---

        >>> greet()

    Three times.

greetings.Greeter
    Greets again and again.

greetings.Greeter.later
    Greets later,
    in its own time.
"""


def library_of(folder: Path, modules: dict[str, str]) -> Path:
    file = folder / "python_stdlib.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for name, source in modules.items():
            archive.writestr(name, source)
    return file


@pytest.mark.parametrize("name", ["greetings.py", "greetings/__init__.py"])
def test_what_is_public_is_set_below_its_name_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(text, "MODULES", ("greetings",))
    assert text.read_text(library_of(tmp_path, {name: MODULE})) == SHOWN


def test_a_library_without_a_module_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="has no module argparse"):
        text.read_text(library_of(tmp_path, {}))


def test_a_site_is_never_built_with_another_text_than_recipes_are_checked_against(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The real one is checked by every build, so that the two cannot part unnoticed.
    monkeypatch.setattr(text, "MODULES", ("greetings",))
    library = library_of(tmp_path, {"greetings.py": MODULE})
    with pytest.raises(BuildFailed, match=r"text_data\.py"):
        text.write_text(library, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_the_description_fits_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = (SHIPPED_VOCABULARY * (SHIPPED_LENGTH // 96 + 1))[:SHIPPED_LENGTH]
    monkeypatch.setattr(text, "read_text", lambda library: made)
    text.write_text(tmp_path / "python_stdlib.zip", tmp_path)
    content = (tmp_path / "text.txt").read_bytes()
    described = json.loads((tmp_path / "text.json").read_text())
    assert content.decode("ascii") == made
    assert described["sha256"] == hashlib.sha256(content).hexdigest()
    assert described["characters"] == SHIPPED_LENGTH
    assert described["vocabulary"] == SHIPPED_VOCABULARY
    assert "Python Software Foundation" in described["source"]
