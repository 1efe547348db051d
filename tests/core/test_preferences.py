"""Preferences: kept as one text, read with mistrust."""

from __future__ import annotations

import json

import pytest

from backburner.core.preferences import CHOICES, Preferences


def test_what_was_chosen_comes_back() -> None:
    chosen = Preferences(theme="dark", motion="reduced", language="de", on_reload="ask", debug=True)
    assert Preferences.from_text(chosen.as_text()) == chosen


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{",
        "[" * 100_000,
        "[]",
        "null",
        '{"theme": "neon"}',
        '{"theme": ["dark"], "debug": "yes"}',
        '{"language": 7}',
    ],
)
def test_what_makes_no_sense_counts_as_not_chosen(text: str | None) -> None:
    assert Preferences.from_text(text) == Preferences()


def test_only_what_differs_from_the_defaults_is_written() -> None:
    assert json.loads(Preferences(theme="dark").as_text()) == {"schema": 1, "theme": "dark"}


def test_the_default_of_each_choice_is_the_first_one_offered() -> None:
    for name, values in CHOICES.items():
        assert getattr(Preferences(), name) == values[0]
