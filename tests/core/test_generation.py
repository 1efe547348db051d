"""What can be asked of a text model, and what is refused."""

from __future__ import annotations

import pytest

from backburner.core.errors import RecipeError
from backburner.core.generation import LONGEST_PROMPT, Generation


def test_what_is_left_out_has_the_documented_default() -> None:
    read = Generation.from_wire({})
    assert read == Generation(prompt="", length=200, temperature=0.8, top_k=0, top_p=1.0)


def test_what_is_written_is_what_was_read() -> None:
    wire = {"prompt": "The ", "length": 50, "temperature": 0, "top_k": 5, "top_p": 0.9}
    assert Generation.from_wire(wire).to_wire() == wire
    assert Generation.from_wire(Generation().to_wire()) == Generation()


def test_a_prompt_is_read_as_the_model_reads_texts() -> None:
    assert Generation.from_wire({"prompt": "a\r\nb\rcafe\u0301"}).prompt == "a\nb\ncaf\u00e9"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("length", 0, "whole number from 1 to 100,000"),
        ("length", 1.5, "whole number"),
        ("length", True, "whole number"),
        ("temperature", -0.1, "from 0 to 5"),
        ("temperature", 5.1, "from 0 to 5"),
        ("temperature", float("nan"), "from 0 to 5"),
        ("temperature", None, "from 0 to 5"),
        ("top_k", -1, "whole number from 0 to 256"),
        ("top_p", 1.01, "from 0 to 1"),
        ("prompt", 7, "must be a text"),
        ("prompt", "x" * (LONGEST_PROMPT + 1), "has 10,001 characters, and 10,000 are the most"),
        ("prompt", "\N{DEVANAGARI LETTER QA}" * 5_001, "has 10,002 characters"),
        ("beams", 4, "no such setting"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(name: str, value: object, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Generation.from_wire({name: value})
    assert caught.value.key == f"generation.{name}"
    assert words in caught.value.message
