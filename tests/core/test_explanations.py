"""Explanations: every error has a family's title and a way out, in every language."""

from __future__ import annotations

import inspect

import pytest

from backburner.core import errors
from backburner.core.errors import BackburnerError
from backburner.core.explanations import explanation, unexpected
from backburner.core.texts import LANGUAGES, Texts
from backburner_site import checkout
from backburner_site.locale import read_catalogue
from tests.core.makers import ENGLISH

GERMAN = Texts("de", read_catalogue(checkout.SITE / "locale" / "de"), strict=True)
NAMES = [
    item.__name__
    for item in vars(errors).values()
    if inspect.isclass(item) and issubclass(item, BackburnerError)
]


@pytest.mark.parametrize("name", [*NAMES, "FutureError"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_error_is_explained(language: str, name: str) -> None:
    texts = {"en": ENGLISH, "de": GERMAN}[language]
    shown = explanation(texts, name, "It broke.")
    assert shown.title
    assert shown.way_out


def test_the_way_out_is_that_of_the_nearest_class() -> None:
    assert "smaller learning rate" in explanation(ENGLISH, "TrainingDiverged", "x").way_out
    assert (
        explanation(ENGLISH, "NotJson", "x").way_out
        == explanation(ENGLISH, "ProtocolError", "x").way_out
    )


def test_the_english_message_is_the_technical_sentence_for_other_readers() -> None:
    english = explanation(ENGLISH, "RecipeError", "epochs is 0.", "ValueError")
    assert (english.message, english.technical) == ("epochs is 0.", "")
    german = explanation(GERMAN, "RecipeError", "epochs is 0.", "ValueError")
    assert (german.message, german.technical) == ("", "epochs is 0.")
    assert german.detail == english.detail == "ValueError"


def test_a_mistake_of_our_own_keeps_its_detail() -> None:
    shown = unexpected(GERMAN, "LookupError: #chart")
    assert shown.detail == "LookupError: #chart"
    assert "gestolpert" in shown.title
