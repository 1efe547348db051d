"""What is inside a model, as the page and the hook ask for it, without a browser."""

from __future__ import annotations

from array import array
from typing import Any

import pytest

from backburner.app.inspection import look_inside
from backburner.core.errors import BackburnerError
from backburner.core.examination import Answer, Examination
from backburner.core.messages import (
    ActivationsRead,
    ExaminePart,
    ExamplesRead,
    FiltersRead,
    PartExamined,
    ReadActivations,
    ReadExamples,
    ReadFilters,
    Sheet,
)
from tests.app.makers import RECIPE, FakeHouse, house, settled
from tests.loops import on_a_loop

SHEETS = (
    Sheet(layer="conv2d_1", shape=(1, 2, 1, 2), count=2, shown=2, height=1, width=2),
    Sheet(layer="dense_1", shape=(3,), count=1, shown=1, height=1, width=3),
)
NUMBERS = [0.5, 1.0, -1.0, 2.0, 0.25, 4.0, 8.0]
ANSWERS = Examination(
    (
        Answer(index=3, label=0, predicted=0, confidence=0.5),
        Answer(index=9, label=0, predicted=1, confidence=0.75),
    )
)


async def trained() -> FakeHouse:
    """A page with a trained model, whose worker answers what a look inside asks for."""
    home = house(
        READ_FILTERS=[FiltersRead(step=40, sheets=SHEETS)],
        READ_ACTIVATIONS=[ActivationsRead(step=40, sheets=SHEETS)],
        EXAMINE_PART=[PartExamined(part="test", step=40, count=2, loss=0.5, took_ms=1.0)],
        READ_EXAMPLES=[ExamplesRead(examples=(9, 3))],
    )
    buffers = {
        "READ_FILTERS": array("f", NUMBERS).tobytes(),
        "READ_ACTIVATIONS": array("f", NUMBERS).tobytes(),
        "EXAMINE_PART": ANSWERS.to_bytes(),
        "READ_EXAMPLES": b"\x00\xff",
    }
    await settled()
    home.operations.start(RECIPE)
    await settled()
    say = home.worker.say

    def with_buffers(message: Any, to: Any = None, *_none: bytes) -> None:
        found = buffers.get(to.message.tag) if to else None
        say(message, to, *([found] if found else []))

    home.worker.say = with_buffers  # type: ignore[method-assign]
    return home


@on_a_loop
async def test_every_layer_comes_with_its_own_numbers() -> None:
    home = await trained()
    wanted = [
        {"layer": "conv2d_1", "shape": [1, 2, 1, 2], "numbers": NUMBERS[:4]},
        {"layer": "dense_1", "shape": [3], "numbers": NUMBERS[4:]},
    ]
    for what, options in (("filters", None), ("activations", {"example": 3})):
        found = await look_inside(home.inspection, "op-1", what, options)
        assert found == {"step": 40, "layers": wanted}
    asked = [envelope.message for envelope in home.worker.orders[-2:]]
    assert asked == [ReadFilters(form="numbers"), ReadActivations(example=3, form="numbers")]


@on_a_loop
async def test_one_layer_can_be_asked_for_by_its_name() -> None:
    home = await trained()
    found: Any = await look_inside(home.inspection, "op-1", "filters", {"layer": "dense_1"})
    assert [each["layer"] for each in found["layers"]] == ["dense_1"]
    with pytest.raises(BackburnerError, match="conv2d_1, dense_1"):
        await look_inside(home.inspection, "op-1", "filters", {"layer": "dense_2"})


@on_a_loop
async def test_the_answers_about_a_part_come_as_figures() -> None:
    home = await trained()
    found = await look_inside(home.inspection, "op-1", "confusion", {"part": "validation"})
    assert home.worker.orders[-1].message == ExaminePart(part="validation")
    assert {key: found[key] for key in ("part", "step", "count", "loss", "accuracy")} == {
        "part": "test", "step": 40, "count": 2, "loss": 0.5, "accuracy": 0.5,
    }  # fmt: skip
    assert found["confusion"] == [[1, 1], [0, 0]]
    assert found["worst"] == [{"index": 9, "label": "no", "predicted": "yes", "confidence": 0.75}]


@on_a_loop
async def test_examples_are_asked_for_by_their_indexes() -> None:
    home = await trained()
    assert await home.inspection.examples("op-1", (9, 3)) == b"\x00\xff"
    assert home.worker.orders[-1].message == ReadExamples(examples=(9, 3))


@pytest.mark.parametrize(
    ("what", "options", "key"),
    [
        ("filter", {}, "what"),
        (None, {}, "what"),
        (["filters"], {}, "what"),
        ("filters", {"example": 1}, "options.example"),
        ("filters", [], "options"),
        ("confusion", {"part": 3}, "part"),
        ("activations", {}, "example"),
        ("activations", {"example": 3, "input": [[0.5]]}, "example"),
        ("activations", {"example": "three"}, "example"),
        ("activations", {"example": True}, "example"),
        ("activations", {"input": [[float("nan")]]}, "input"),
    ],
)
@on_a_loop
async def test_what_cannot_be_asked_is_refused_by_key(what: object, options: Any, key: str) -> None:
    home = await trained()
    asked = len(home.worker.orders)
    with pytest.raises(BackburnerError) as refused:
        await look_inside(home.inspection, "op-1", what, options)
    assert refused.value.key == key
    assert len(home.worker.orders) == asked


@on_a_loop
async def test_without_a_model_there_is_nothing_to_look_into() -> None:
    home = house()
    await settled()
    with pytest.raises(BackburnerError, match="no operation"):
        await look_inside(home.inspection, "op-9", "filters", None)
