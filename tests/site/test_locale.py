"""The texts: complete in every language, all of them used, none of them missing."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from backburner.core.texts import LANGUAGES, SOURCE_LANGUAGE, placeholders
from backburner_site import checkout
from backburner_site.errors import BuildFailed
from backburner_site.locale import read_catalogue, read_catalogues, write_catalogues

LOCALE = checkout.SITE / "locale"
CATALOGUES = read_catalogues(LOCALE)
SOURCE = CATALOGUES[SOURCE_LANGUAGE]
OTHERS = [language for language in LANGUAGES if language != SOURCE_LANGUAGE]
# The names under which code and templates hold the texts; a Line is a text with its values.
HOLDERS = {"t", "texts", "_texts", "Line"}


def test_every_language_of_the_page_has_a_folder_and_no_other_has() -> None:
    assert {folder.name for folder in LOCALE.iterdir()} == set(LANGUAGES)


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_says_all_that_english_says_and_nothing_more(language: str) -> None:
    assert set(CATALOGUES[language]) ^ set(SOURCE) == set()


@pytest.mark.parametrize("language", OTHERS)
def test_every_translation_wants_the_same_values(language: str) -> None:
    for key, entry in SOURCE.items():
        assert placeholders(CATALOGUES[language][key]) == placeholders(entry), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_plural_has_the_forms_of_its_language_and_says_the_count(language: str) -> None:
    forms = {LANGUAGES[language].plural(count) for count in (0, 1, 2, 5, 11, 21, 1.5)}
    for key, entry in CATALOGUES[language].items():
        if not isinstance(entry, str):
            assert set(entry) == forms, key
            # "One" may say it in words; the others stand for many numbers.
            assert "{count}" in entry["other"], key


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty_or_holds_markup(language: str) -> None:
    for key, entry in CATALOGUES[language].items():
        for form in [entry] if isinstance(entry, str) else entry.values():
            assert form.strip(), key
            assert form == form.strip(), key
            assert not re.search(r"[<>&]", form), key


def used_in_python(file: Path) -> set[str]:
    """Patterns of the keys that a file asks for; what is computed in a key fits any word."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else None
        name = node.func.id if isinstance(node.func, ast.Name) else name
        if name in HOLDERS or name == "knows":
            found |= keys_of(node.args[0])
    return found


def keys_of(node: ast.expr) -> set[str]:
    match node:
        case ast.Constant(value=str(key)):
            return {re.escape(key)}
        case ast.IfExp(body=body, orelse=orelse):
            return keys_of(body) | keys_of(orelse)
        case ast.JoinedStr(values=values):
            parts = [
                re.escape(str(each.value)) if isinstance(each, ast.Constant) else r"[\w-]+"
                for each in values
            ]
            return {"".join(parts)}
        case _:
            return set()


def used_in_template(file: Path) -> set[str]:
    """Patterns of the keys in `data-t…` attributes; test_shell.py shows that `t(…)` agrees."""
    found = re.findall(r'data-t(?:-[a-z-]+)?="([^"]+)"', file.read_text(encoding="utf-8"))
    called = re.findall(r't\("([\w.-]+)"\)', file.read_text(encoding="utf-8"))
    pattern = re.compile(r"\\\{\\\{.*?\\\}\\\}")
    return {pattern.sub(r"[\\w-]+", re.escape(key)) for key in found + called}


USED = {
    file: used_in_python(file) if file.suffix == ".py" else used_in_template(file)
    for folder, ending in (
        (checkout.PY, "*.py"),
        (checkout.SITE / "templates", "*.html"),
    )
    for file in sorted(folder.rglob(ending))
}


@pytest.mark.parametrize("file", [file for file in USED if USED[file]], ids=lambda file: file.name)
def test_every_key_that_is_used_exists(file: Path) -> None:
    for pattern in USED[file]:
        assert any(re.fullmatch(pattern, key) for key in SOURCE), f"{file.name} uses {pattern}"


def test_every_key_that_exists_is_used() -> None:
    patterns = [re.compile(pattern) for found in USED.values() for pattern in found]
    unused = [key for key in SOURCE if not any(each.fullmatch(key) for each in patterns)]
    assert unused == []


def test_the_search_sees_keys_however_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "view.py"
    file.write_text(
        'texts("a.b")\nself._texts(f"a.{name}.c", count=1)\ntexts("x" if y else "z")\nother("no")'
    )
    assert used_in_python(file) == {r"a\.b", r"a\.[\w-]+\.c", "x", "z"}
    file = tmp_path / "view.html"
    file.write_text('<p data-t="a.{{ name }}.c" data-t-title="b.c">{{ t("d.e") }}</p>')
    assert used_in_template(file) == {r"a\.[\w-]+\.c", r"b\.c", r"d\.e"}


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "create.json").write_text("{")
    with pytest.raises(BuildFailed, match=r"create\.json"):
        read_catalogue(tmp_path)


def test_the_same_texts_give_the_same_bytes(tmp_path: Path) -> None:
    write_catalogues(CATALOGUES, tmp_path / "a")
    write_catalogues(dict(reversed(CATALOGUES.items())), tmp_path / "b")
    for language in LANGUAGES:
        name = f"{language}.json"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_facts_of_a_preset_are_written_in_each_language() -> None:
    assert SOURCE["presets.tiny.weights"] == "810 weights"
    assert CATALOGUES["de"]["presets.tiny.weights"] == "810 Gewichte"
    assert CATALOGUES["de"]["presets.small.layers"].startswith("32 Filter 3 × 3 → ")
