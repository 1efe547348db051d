"""A recipe with others that follow it, checked as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from backburner.core.chain import MOST_LINKS, Link, chain_from_wire
from backburner.core.errors import ConfigurationError, RecipeError
from tests.core.test_beginnings import FROM, TRAINED, find

TUNED: dict[str, Any] = {"recipe": 1, "kind": "fine-tune", "model": {"from": "previous"}}


def read(wire: dict[str, Any]) -> tuple[Link, ...]:
    return chain_from_wire(wire, find=find)


def refusal(wire: dict[str, Any]) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        read(wire)
    return caught.value


def test_a_recipe_alone_is_a_chain_of_one() -> None:
    (link,) = read(TRAINED)
    assert link.after is None


def test_each_waits_for_the_one_whose_list_it_stands_in() -> None:
    links = read({**TRAINED, "then": [{**TUNED, "then": [TUNED, {**TRAINED, "seed": 9}]}, TUNED]})
    assert [link.after for link in links] == [None, 0, 1, 1, 0]
    assert [link.recipe.base for link in links] == [None, "previous", "previous", None, "previous"]


def test_what_follows_is_checked_against_the_network_that_will_come_of_the_one_before() -> None:
    last = {"name": "last", "layers": 9}
    error = refusal({**TRAINED, "then": [TUNED, {**TUNED, "method": last}]})
    assert error.key == "then[1].method.layers"
    assert error.message.startswith("then[1].method.layers is 9, but")


@pytest.mark.parametrize(
    ("then", "key"),
    [
        ({}, "then"),
        ([3], "then[0]"),
        ([{**TUNED, "method": {"name": "lora", "rank": 0}}], "then[0].method.rank"),
        ([{**TUNED, "model": {"from": "gone"}}], "then[0].model.from"),
        ([{**TUNED, "then": [{**TUNED, "then": 3}]}], "then[0].then[0].then"),
        ([{"recipe": 1, "kind": "generate", "model": {"from": "previous"}}], "then[0].model.from"),
    ],
)
def test_what_is_wrong_is_named_by_its_place_in_the_whole(then: Any, key: str) -> None:
    error = refusal({**TRAINED, "then": then})
    assert error.key == key
    assert key in error.message


def test_what_follows_may_name_another_operation_or_none() -> None:
    links = read({**TRAINED, "then": [{**FROM, "kind": "fine-tune"}, TRAINED]})
    assert [link.recipe.base for link in links] == [None, "op-1", None]


def test_a_text_cannot_be_begun_with() -> None:
    writes = {"recipe": 1, "kind": "generate", "model": {"from": "text"}}
    error = refusal({**writes, "then": [TUNED]})
    assert isinstance(error, RecipeError)
    assert error.key == "then[0].model.from"
    assert '"generate"' in error.message


def test_a_chain_without_end_is_refused() -> None:
    error = refusal({**TRAINED, "then": [TUNED] * MOST_LINKS})
    assert str(MOST_LINKS) in error.message


def test_a_previous_that_is_not_there_is_refused_with_the_way_out() -> None:
    error = refusal(TUNED)
    assert error.key == "model.from"
    assert "then" in error.message
