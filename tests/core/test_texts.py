"""Texts: what is filled in, which plural form is taken, how numbers are written."""

from __future__ import annotations

import pytest

from backburner.core.texts import LANGUAGES, MissingText, Texts, placeholders

ENTRIES = {
    "paused": "Paused at step {step}.",
    "waiting": {"one": "{count} run waits.", "other": "{count} runs wait."},
    "plain": "Braces of {nobody}.",
}


def texts(language: str = "en", *, strict: bool = True) -> Texts:
    return Texts(language, ENTRIES, strict=strict)


def test_placeholders_are_filled_and_whole_numbers_grouped() -> None:
    assert texts()("paused", step=12_840) == "Paused at step 12,840."
    assert texts("de")("paused", step=12_840) == "Paused at step 12.840."
    assert texts()("paused", step="{step}") == "Paused at step {step}."


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 runs wait."), (1, "1 run waits."), (2, "2 runs wait."), (1_000, "1,000 runs wait.")],
)
def test_the_count_chooses_the_plural_form(count: int, text: str) -> None:
    assert texts()("waiting", count=count) == text


@pytest.mark.parametrize(
    ("key", "values"), [("lost", {}), ("paused", {}), ("waiting", {}), ("plain", {"body": 1})]
)
def test_what_is_missing_is_an_error_here_and_shown_as_it_is_to_visitors(
    key: str, values: dict[str, object]
) -> None:
    with pytest.raises(MissingText, match=key):
        texts()(key, **values)
    lenient = texts(strict=False)(key, **values)
    assert key in lenient or "{" in lenient


@pytest.mark.parametrize(
    ("language", "number", "share"), [("en", "1,797.25", "97.2 %"), ("de", "1.797,25", "97,2 %")]
)
def test_numbers_are_written_as_the_language_does(language: str, number: str, share: str) -> None:
    spoken = texts(language)
    assert spoken.number(1797.25, 2) == number
    assert spoken.percent(0.9721) == share


def test_a_change_of_language_reaches_everybody_who_holds_the_texts() -> None:
    held = texts()
    held.speak("de", {"paused": "Angehalten bei Schritt {step}."})
    assert held.language == "de"
    assert held("paused", step=1_000) == "Angehalten bei Schritt 1.000."


def test_an_unknown_language_is_written_like_english() -> None:
    assert Texts("tlh", ENTRIES).language == "en"
    assert "en" in LANGUAGES


def test_placeholders_are_found_in_every_form() -> None:
    assert placeholders({"one": "{count} of {all}", "other": "{count}"}) == {"count", "all"}
