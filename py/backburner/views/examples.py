"""The test digits as pictures: what they are, what the network says, right or wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import prod
from typing import Any

from backburner.core.errors import BackburnerError
from backburner.core.figure_words import score_words
from backburner.core.messages import ModelReady, PredictionResult
from backburner.core.operation import Operation
from backburner.core.texts import Texts
from backburner.views.bars import Bars
from backburner.views.dom import around, by_id, find, listen, new, set_shown, set_text
from backburner.views.notice import Said
from backburner.views.pictures import example

Ask = Callable[[str, int], Awaitable[PredictionResult]]


class Examples:
    """`ask(operation, index)` is a prediction about an example of its data.

    `tell` shows what it was refused with.
    """

    def __init__(self, texts: Texts, ask: Ask, tell: Callable[[Said], None]) -> None:
        self._texts = texts
        self._ask = ask
        self._tell = tell
        self._operation: Operation | None = None
        self._pixels = b""
        self._drawn: tuple[str, str] | None = None
        self._judged: str | None = None
        self._chosen: int | None = None
        self._asked_at: int | None = None
        self._bars = Bars("bars", texts)
        self._task: asyncio.Task[None] | None = None

    def install(self) -> None:
        listen(by_id("examples"), "click", self._press)

    def draw(self, operation: Operation | None, pixels: bytes | None) -> None:
        """Shows the examples of an operation, and what it finally made of them."""
        if operation is None:
            if self._operation is not None:
                self._clear()
                self._operation = None
            return
        if self._operation is None or self._operation.id != operation.id:
            self._clear()
        self._operation = operation
        model = operation.model
        if model is None or pixels is None:
            return
        drawn = operation.id, self._texts.language
        if self._drawn != drawn:
            self._drawn, self._judged, self._pixels = drawn, None, pixels
            self._draw_pictures(model)
        if operation.guesses and self._judged != operation.id:
            self._judged = operation.id
            self._draw_guesses(operation)
        test = operation.test
        set_shown(by_id("test-result"), test is not None)
        if test is not None:
            set_text(by_id("test-result"), score_words(self._texts, operation))
        if self._chosen is not None and operation.step != self._asked_at:
            # The weights have moved on since the bars were drawn.
            self._ask_again()

    def _clear(self) -> None:
        """What is shown from now on has no pictures and no results yet."""
        self._chosen = self._drawn = None
        by_id("examples").replaceChildren()
        for name in ("prediction", "test-result"):
            set_shown(by_id(name), False)

    def _draw_pictures(self, model: ModelReady) -> None:
        place = by_id("examples")
        place.replaceChildren()
        size = prod(model.input_shape)
        for at, (index, label) in enumerate(zip(model.examples, model.labels, strict=True)):
            button = new(
                "button",
                class_="example",
                type="button",
                aria_pressed="true" if at == self._chosen else "false",
                aria_label=self._texts("playground.example", index=index, label=label),
                data_at=str(at),
                data_testid=f"example-{at}",
            )
            pixels = self._pixels[at * size : (at + 1) * size]
            button.append(example(pixels, model.input_shape), new("span"))
            place.append(button)
        if self._operation is not None and self._operation.is_of_text:
            hint = self._texts("playground.examples.text")
        else:
            hint = self._texts("playground.examples.press")
        set_text(by_id("examples-hint"), hint)

    def _draw_guesses(self, operation: Operation) -> None:
        assert operation.model is not None
        guesses = {guess.index: guess for guess in operation.guesses}
        buttons = by_id("examples").children
        for at, index in enumerate(operation.model.examples):
            guess = guesses.get(index)
            if guess is None:
                continue
            right = guess.label == guess.predicted
            buttons[at].className = f"example {'right' if right else 'wrong'}"
            set_text(buttons[at].lastChild, f"{'✓' if right else '✗'} {guess.predicted}")
            buttons[at].setAttribute(
                "aria-label",
                self._texts("playground.example.recognised", index=index, label=guess.label)
                if right
                else self._texts(
                    "playground.example.taken",
                    index=index,
                    label=guess.label,
                    guess=guess.predicted,
                ),
            )

    def _press(self, event: Any) -> None:
        button = around(event.target, "button")
        if button is None:
            return
        before = find(by_id("examples"), "[aria-pressed=true]")
        if before is not None:
            before.setAttribute("aria-pressed", "false")
        button.setAttribute("aria-pressed", "true")
        self._chosen = int(button.dataset.at)
        # The answer to a press is read out; that it shifts with every step is not.
        by_id("prediction-text").setAttribute("aria-live", "polite")
        self._ask_again()

    def _ask_again(self) -> None:
        """Asks about the chosen example; never two questions at once."""
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._predict())

    async def _predict(self) -> None:
        answered: tuple[str, int] | None = None
        while (question := self._question()) is not None and question != answered:
            key, chosen = question
            operation = self._operation
            assert operation is not None
            assert operation.model is not None
            self._asked_at = operation.step
            try:
                result = await self._ask(key, operation.model.examples[chosen])
            except BackburnerError as error:
                self._tell(error)
                return
            # Another one may have been pressed meanwhile: then that is asked next.
            if question == self._question():
                self._draw_bars(operation.model, chosen, result)
                by_id("prediction-text").setAttribute("aria-live", "off")
            answered = question

    def _question(self) -> tuple[str, int] | None:
        operation = self._operation
        if operation is None or self._chosen is None or not operation.lives:
            return None
        return operation.id, self._chosen

    def _draw_bars(self, model: ModelReady, at: int, result: PredictionResult) -> None:
        set_shown(by_id("prediction"), True)
        set_text(
            by_id("prediction-text"),
            self._texts(
                "playground.prediction",
                label=model.labels[at],
                guess=result.label,
                percent=self._texts.percent(result.confidence),
            ),
        )
        self._bars.draw(model.classes, result.probabilities)
