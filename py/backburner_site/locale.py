"""Merges the texts of site/locale/<language>/<area>.json into one catalogue a language.

An area is a view or a topic; its name stands before every key of its file. What the page says
about the presets follows from the presets themselves, so those texts are made here.
"""

import json
from pathlib import Path
from typing import Any

from backburner.core.texts import LANGUAGES, SOURCE_LANGUAGE, Texts
from backburner_site.errors import BuildFailed
from backburner_site.presets import preset_facts

Catalogue = dict[str, Any]


def read_catalogue(folder: Path) -> Catalogue:
    """{area.key: text} of one language's folder. Raises BuildFailed, naming the file."""
    entries: Catalogue = {}
    for file in sorted(folder.glob("*.json")):
        try:
            area = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BuildFailed(
                f"The texts in {folder.name}/{file.name} are not valid JSON: {error}."
            ) from error
        entries |= {f"{file.stem}.{key}": text for key, text in area.items()}
    return entries


def read_catalogues(locale: Path) -> dict[str, Catalogue]:
    """The complete catalogue of every language, presets included."""
    catalogues = {}
    for language in LANGUAGES:
        entries = read_catalogue(locale / language)
        texts = Texts(language, entries, strict=True)
        for name, facts in preset_facts(texts).items():
            entries |= {f"presets.{name}.{key}": text for key, text in facts.items()}
        catalogues[language] = entries
    return catalogues


def write_catalogues(catalogues: dict[str, Catalogue], folder: Path) -> None:
    """locale/en.json and its like."""
    folder.mkdir(parents=True, exist_ok=True)
    for language, entries in catalogues.items():
        text = json.dumps(entries, ensure_ascii=False, indent=0, sort_keys=True)
        (folder / f"{language}.json").write_text(text + "\n", encoding="utf-8")


def source_texts(catalogues: dict[str, Catalogue]) -> Texts:
    """What the templates are rendered with; a key that is not there stops the build."""
    return Texts(SOURCE_LANGUAGE, catalogues[SOURCE_LANGUAGE], strict=True)
