"""Asks the kitchen what is inside a model: for the page's views, and as JSON for the hook."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import cast

from backburner.app.operations import Operations
from backburner.core.errors import InterfaceError
from backburner.core.examination import Examination
from backburner.core.messages import (
    ActivationsRead,
    ExaminePart,
    ExamplesRead,
    FiltersRead,
    PartExamined,
    ReadActivations,
    ReadExamples,
    ReadFilters,
)
from backburner.core.options import closest, read_object, show

PATIENCE_S = 600.0
"""For all answers about a part: it may be large, and the backend slow."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "filters": ("layer",),
    "activations": ("example", "input", "layer"),
    "confusion": ("part",),
}
"""What can be looked at, and the options of each."""


class Inspection:
    """Each question is about the weights as they are now, and changes nothing of them.

    Raises what the kitchen refuses, and InterfaceError where there is no model.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def filters(self, key: str, form: str = "pictures") -> tuple[FiltersRead, bytes]:
        """The filters of a model, and the buffer that holds them (core/messages.py's Sheet)."""
        answer = await self._operations.ask_model(key, ReadFilters(form=form))
        assert isinstance(answer.message, FiltersRead)
        return answer.message, answer.buffers[0]

    async def activations(
        self, key: str, *, example: int | None = None, given: object = None, form: str = "pictures"
    ) -> tuple[ActivationsRead, bytes]:
        """What the layers put out for an example of the data, or for one that is given."""
        order = ReadActivations(example=example, input=given, form=form)
        answer = await self._operations.ask_model(key, order)
        assert isinstance(answer.message, ActivationsRead)
        return answer.message, answer.buffers[0]

    async def examine(self, key: str, part: str) -> tuple[PartExamined, Examination]:
        """All answers about a part of the data."""
        order = ExaminePart(part=part)
        answer = await self._operations.ask_model(key, order, timeout_s=PATIENCE_S)
        assert isinstance(answer.message, PartExamined)
        return answer.message, Examination.from_bytes(answer.buffers[0])

    async def examples(self, key: str, indexes: tuple[int, ...]) -> bytes:
        """The pixels of examples of the data, one after the other."""
        answer = await self._operations.ask_model(key, ReadExamples(examples=indexes))
        assert isinstance(answer.message, ExamplesRead)
        return cast(bytes, answer.buffers[0])

    def classes(self, key: str) -> tuple[str, ...]:
        """The names of the classes of a model that is at hand."""
        model = self._operations.get(key).model
        return model.classes if model else ()


async def look_inside(
    inspection: Inspection, key: str, what: object, options: object
) -> dict[str, object]:
    """What the hook's `inspect` gives (docs/HOOK.md).

    Raises InterfaceError or RecipeError, by key, for what cannot be asked.
    """
    given = _options(what, options)
    if what == "confusion":
        part = given.get("part", "test")
        if not isinstance(part, str):
            raise InterfaceError(f"part must be a text, but is {show(part)}.", key="part")
        examined, answers = await inspection.examine(key, part)
        return {
            "part": examined.part,
            "step": examined.step,
            "count": examined.count,
            "loss": examined.loss,
            **answers.as_dict(inspection.classes(key)),
        }
    found: FiltersRead | ActivationsRead
    if what == "filters":
        found, data = await inspection.filters(key, "numbers")
    else:
        example = given.get("example")
        if example is not None and (isinstance(example, bool) or not isinstance(example, int)):
            raise InterfaceError(
                f"example must be the index of an example, but is {show(example)}.", key="example"
            )
        if (example is None) is (given.get("input") is None):
            raise InterfaceError(
                "Say for which example: either its index in the data, {example: 3}, or its "
                "numbers, {input: [[…]]}.",
                key="example",
            )
        found, data = await inspection.activations(
            key, example=example, given=given.get("input"), form="numbers"
        )
    layers = _layers(found, data)
    if (layer := given.get("layer")) is not None:
        names = [each["layer"] for each in layers]
        if layer not in names:
            raise InterfaceError(
                f"No layer {show(layer)} has {what}. There are: {', '.join(map(str, names))}.",
                key="layer",
            )
        layers = [each for each in layers if each["layer"] == layer]
    return {"step": found.step, "layers": layers}


def _options(what: object, options: object) -> dict[str, object]:
    if not isinstance(what, str) or what not in KINDS:
        hint = closest(what, KINDS) if isinstance(what, str) else ""
        raise InterfaceError(
            f"There is no {show(what)} to look at. {hint}There are: {', '.join(KINDS)}.",
            key="what",
        )
    return read_object({} if options is None else options, "options", KINDS[what])


def _layers(found: FiltersRead | ActivationsRead, data: bytes) -> list[dict[str, object]]:
    numbers = array("f", bytes(data))
    layers: list[dict[str, object]] = []
    start = 0
    for sheet in found.sheets:
        end = start + sheet.shown * sheet.height * sheet.width * sheet.channels
        layers.append(
            {"layer": sheet.layer, "shape": list(sheet.shape), "numbers": list(numbers[start:end])}
        )
        start = end
    return layers
