"""Examples of the data as pictures, with what the network says of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from backburner.app.inspection import Inspection
from backburner.core.errors import BackburnerError
from backburner.core.examination import Answer
from backburner.core.messages import ModelReady
from backburner.core.operation import Operation
from backburner.core.texts import Texts
from backburner.views.dom import around, by_id, listen, new
from backburner.views.notice import Said
from backburner.views.pictures import example


class Gallery:
    """Fills the element with the id `place`; `look` hears of the index and label of a pressed one.

    Pixels are fetched once for each example.
    """

    def __init__(
        self,
        place: str,
        texts: Texts,
        inspection: Inspection,
        look: Callable[[int, str], None],
        tell: Callable[[Said], None],
    ) -> None:
        self._place = place
        self._texts = texts
        self._inspection = inspection
        self._look = look
        self._tell = tell
        self._wanted: tuple[Operation, tuple[Answer, ...]] | None = None
        self._drawn: tuple[object, ...] = ()
        self._pixels: dict[tuple[str | None, int], bytes] = {}
        self._task: asyncio.Task[None] | None = None

    def install(self) -> None:
        listen(by_id(self._place), "click", self._press)

    def show(self, operation: Operation, answers: Sequence[Answer]) -> None:
        """Shows these examples, as soon as their pixels are there."""
        self._wanted = operation, tuple(answers)
        if self._missing():
            if self._task is None or self._task.done():
                self._task = asyncio.ensure_future(self._fetch())
        else:
            self._draw()

    def _missing(self) -> list[int]:
        assert self._wanted is not None
        operation, answers = self._wanted
        data = operation.data_sha256
        return [each.index for each in answers if (data, each.index) not in self._pixels]

    async def _fetch(self) -> None:
        while missing := self._missing():
            assert self._wanted is not None
            operation, _ = self._wanted
            assert operation.model is not None
            size = prod(operation.model.input_shape)
            try:
                pixels = await self._inspection.examples(operation.id, tuple(missing))
            except BackburnerError as error:
                self._tell(error)
                return
            for at, index in enumerate(missing):
                found = bytes(pixels[at * size : (at + 1) * size])
                self._pixels[operation.data_sha256, index] = found
        self._draw()

    def _draw(self) -> None:
        assert self._wanted is not None
        operation, answers = self._wanted
        assert operation.model is not None
        drawn = (operation.id, answers, self._texts.language)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        buttons = (self._button(operation, operation.model, answer) for answer in answers)
        by_id(self._place).replaceChildren(*buttons)

    def _button(self, operation: Operation, model: ModelReady, answer: Answer) -> Any:
        label, predicted = model.classes[answer.label], model.classes[answer.predicted]
        words = self._texts(
            f"inside.tile.{'right' if answer.is_right else 'wrong'}",
            index=answer.index,
            label=label,
            predicted=predicted,
            percent=self._texts.percent(answer.confidence),
        )
        button = new(
            "button",
            class_=f"example {'right' if answer.is_right else 'wrong'}",
            type="button",
            aria_label=words,
            title=words,
            data_index=str(answer.index),
            data_label=label,
        )
        sign = f"✓ {label}" if answer.is_right else f"{label} → {predicted}"
        pixels = self._pixels[operation.data_sha256, answer.index]
        button.append(example(pixels, model.input_shape), new("span", sign))
        return button

    def _press(self, event: Any) -> None:
        button = around(event.target, "button")
        if button is not None:
            self._look(int(button.dataset.index), str(button.dataset.label))
