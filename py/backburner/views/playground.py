"""Draw something, and see what a network makes of it: while you draw, and while it learns.

One question at a time is asked, and the latest always: when an answer arrives and the drawing or
the weights have moved on, the next question is about how things are then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import js
from pyodide.ffi import to_js

from backburner.core.data_sources import DigitsData
from backburner.core.drawing import fit_of, model_input, side_of
from backburner.core.errors import BackburnerError, DataError
from backburner.core.kinds import TABLE
from backburner.core.messages import PredictionResult
from backburner.core.naming import name_of
from backburner.core.operation import Operation
from backburner.core.shapes_data import ShapesData
from backburner.core.state import State
from backburner.core.texts import Texts
from backburner.views.bars import Bars
from backburner.views.dom import by_id, listen, new, set_shown, set_text
from backburner.views.drawing_pad import DrawingPad
from backburner.views.sketch import Sketch

Picture = list[list[float]]
Ask = Callable[[str, Picture], Awaitable[PredictionResult]]

PAUSE_S = 0.8
"""So long the hand must rest before the answer is read out."""


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that an answer depends on: the same question has the same answer."""

    operation: str
    step: int
    shape: tuple[int, ...]
    drawing: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said to a question. `result` of None: it was refused, and `problem` says why."""

    operation: str
    classes: tuple[str, ...] = ()
    result: PredictionResult | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class OnPad:
    """Implements views/subjects.py's Drawing: what is on the pad at this moment."""

    sketch: Sketch

    @property
    def version(self) -> int:
        """Another one for each change."""
        return self.sketch.version

    def picture(self, operation: Operation) -> Picture | None:
        """As the operation's network sees it; None when nothing is drawn. Raises DataError."""
        return model_input(self.sketch.strokes, _shape_of(operation), fit_of(_source_of(operation)))


class Playground:
    """`ask(operation, picture)` is what its model, as it is now, says about a picture.

    `is_open` says whether the view is shown: nobody is asked for an answer that nobody sees.
    `show` leads to everything that is known of an operation.
    """

    def __init__(
        self,
        texts: Texts,
        ask: Ask,
        *,
        is_open: Callable[[], bool],
        show: Callable[[str], None],
    ) -> None:
        self._texts = texts
        self._ask = ask
        self._show_operation = show
        self._is_open = is_open
        self._pad = DrawingPad("playground-pad", texts, self._drawing_changed)
        self._bars = Bars("drawn-bars", texts)
        self._state = State()
        self._offered: list[str] = []
        self._chosen: str | None = None
        self._prepared: tuple[object, ...] = ()
        """What the picture was made of."""
        self._picture: Picture | None = None
        self._no_picture: str | None = None
        """Why there can be no picture for this network."""
        self._settled: Question | None = None
        """The question that was answered or refused last."""
        self._answer: Answer | None = None
        self._task: asyncio.Task[None] | None = None
        self._rest: asyncio.Task[None] | None = None

    @property
    def drawing(self) -> OnPad:
        """What is on the pad, for other views."""
        return OnPad(self._pad.sketch)

    def install(self) -> None:
        self._pad.install()
        listen(by_id("network"), "change", self._choose)
        listen(by_id("to-reader"), "click", self._go_to_reader)

    def draw(self, state: State) -> None:
        """Takes up how things are. Cheap to call for every frame in which something changed."""
        self._state = state
        self._draw()

    def _draw(self) -> None:
        if not self._is_open():
            return
        asked = self._asked()
        self._offer(asked)
        self._prepare(asked)
        self._show(asked)
        question = self._question(asked)
        is_old = question is not None and question != self._settled
        by_id("drawn-bars").setAttribute("aria-busy", "true" if is_old else "false")
        if is_old and (self._task is None or self._task.done()):
            self._task = asyncio.ensure_future(self._converse())

    # --- which network ------------------------------------------------------------------

    def _choose(self, event: Any) -> None:
        self._chosen = str(event.target.value)
        self._draw()

    def _asked(self) -> Operation | None:
        """The chosen one; by itself the one that runs, else the newest that can be asked."""
        able = [each for each in self._state.operations.values() if _can_be_asked(each)]
        chosen = next((each for each in able if each.id == self._chosen), None)
        running = next((each for each in able if each.is_active), None)
        return chosen or running or (able[-1] if able else None)

    def _offer(self, asked: Operation | None) -> None:
        able = [each for each in self._state.operations.values() if _can_be_asked(each)]
        offered = [self._texts.language, *(each.id for each in able)]
        place = by_id("network")
        if offered != self._offered:
            self._offered = offered
            options = (new("option", self._named(each), value=each.id) for each in reversed(able))
            place.replaceChildren(*options)
        if asked is not None and place.value != asked.id:
            place.value = asked.id
        set_shown(by_id("network-choice"), bool(able))
        reader = self._reader()
        is_reader_newest = reader is not None and (asked is None or asked.created < reader.created)
        set_shown(by_id("reader-hint"), is_reader_newest)
        set_shown(by_id("no-network"), not able)

    def _reader(self) -> Operation | None:
        """The newest network that reads: it has no eyes for a drawing, and may write instead."""
        known = [each for each in self._state.operations.values() if _reads(each)]
        return known[-1] if known else None

    def _go_to_reader(self, _event: Any) -> None:
        reader = self._reader()
        if reader is not None:
            self._show_operation(reader.id)

    def _named(self, operation: Operation) -> str:
        name = name_of(self._texts, operation)
        when = js.Date.new(operation.created * 1000).toLocaleString(self._texts.language)
        return self._texts("playground.option", name=name, when=when)

    # --- question and answer -------------------------------------------------------------

    def _drawing_changed(self) -> None:
        self._draw()
        if self._rest is not None:
            self._rest.cancel()
        self._rest = asyncio.ensure_future(self._read_out_when_the_hand_rests())

    def _prepare(self, asked: Operation | None) -> None:
        """The drawing as the network sees it."""
        shape = DigitsData.input_shape if asked is None else _shape_of(asked)
        fit = fit_of(DigitsData.source if asked is None else _source_of(asked))
        made_of = (shape, fit, self._pad.sketch.version)
        if made_of == self._prepared:
            return
        self._prepared = made_of
        try:
            side = side_of(shape)
            self._picture = model_input(self._pad.sketch.strokes, shape, fit)
            self._no_picture = None
        except DataError as error:
            side, self._picture, self._no_picture = 8, None, error.message
        self._show_picture(side)

    def _question(self, asked: Operation | None) -> Question | None:
        """None when there is nothing to ask, or nobody who can be asked yet."""
        if asked is None or self._picture is None or _is_coming(asked):
            return None
        return Question(asked.id, asked.step, _shape_of(asked), self._pad.sketch.version)

    async def _converse(self) -> None:
        """Asks until the answer is about how things are now."""
        while (question := self._question(asked := self._asked())) != self._settled:
            if asked is None or question is None or self._picture is None:
                return
            try:
                result = await self._ask(asked.id, self._picture)
                # A kept one has a model since it was brought back for this.
                model = self._state.operations.get(asked.id, asked).model
                self._answer = Answer(asked.id, model.classes if model else (), result)
            except BackburnerError as error:
                self._answer = Answer(asked.id, problem=error.message)
            self._settled = question
            self._draw()

    async def _read_out_when_the_hand_rests(self) -> None:
        """That the answer shifts with every step is not read out; what it is in the end is."""
        await asyncio.sleep(PAUSE_S)
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._picture is not None and not self._pad.sketch.is_drawing:
            self._pad.say(str(by_id("drawn-text").textContent))

    # --- what is shown -------------------------------------------------------------------

    def _show(self, asked: Operation | None) -> None:
        answer = self._answer
        if asked is None or answer is None or answer.operation != asked.id:
            answer = None
        problem = self._no_picture or (answer.problem if answer else None)
        set_text(by_id("drawn-problem"), problem or "")
        set_shown(by_id("drawn-problem"), problem is not None)
        result = answer.result if answer and self._picture is not None else None
        set_text(by_id("drawn-text"), self._words(asked, result))
        if answer is not None and result is not None:
            self._bars.draw(answer.classes, result.probabilities)
        else:
            self._bars.draw(asked.model.classes if asked and asked.model else (), ())

    def _words(self, asked: Operation | None, result: PredictionResult | None) -> str:
        if asked is not None and _is_coming(asked):
            return self._texts("playground.not-ready")
        if self._picture is None:
            return self._texts("playground.drawn.nothing")
        if result is None:
            return self._texts("playground.asking" if asked else "playground.drawn.nobody")
        share = self._texts.percent(result.confidence)
        return self._texts("playground.drawn", guess=result.label, percent=share)

    def _show_picture(self, side: int) -> None:
        canvas = by_id("network-sees")
        picture = self._picture or [[0.0] * side] * side
        if canvas.width != side:
            canvas.width = canvas.height = side
        # Light on dark, as the numbers are: 0 is nothing, 1 is full ink.
        greys = (round(255 * value) for row in picture for value in row)
        pixels = b"".join(bytes((grey, grey, grey, 255)) for grey in greys)
        image = js.ImageData.new(js.Uint8ClampedArray.new(to_js(pixels)), side, side)
        canvas.getContext("2d").putImageData(image, 0, 0)
        set_text(by_id("network-sees-size"), f"{side} × {side}")


def _can_be_asked(operation: Operation) -> bool:
    """Whether a drawing can be shown to it, now or as soon as its model is there."""
    if not TABLE[operation.kind].trains or _is_of_text(operation):
        return False
    return operation.lives or operation.is_active or operation.checkpoint is not None


def _is_of_text(operation: Operation) -> bool:
    """As far as its recipe tells, or its network: one that learns on need not name its data."""
    return operation.is_of_text or operation.reads_text


def _reads(operation: Operation) -> bool:
    """Whether it trains a network of texts, or has trained one."""
    return TABLE[operation.kind].trains and _is_of_text(operation)


def _is_coming(operation: Operation) -> bool:
    """Its model is being built: it can be asked in a moment."""
    return operation.is_active and not operation.lives


def _source_of(operation: Operation) -> object:
    data = operation.recipe.get("data")
    return data.get("source") if isinstance(data, Mapping) else DigitsData.source


def _shape_of(operation: Operation) -> tuple[int, ...]:
    """What its model looks at; of one that is not at hand, what is kept of its network, or what
    its recipe says about it.
    """
    if operation.model is not None:
        return operation.model.input_shape
    match operation.network:
        case {"input_shape": [*sides]}:
            return tuple(sides)
    if _source_of(operation) == ShapesData.source:
        return ShapesData.input_shape
    data = operation.recipe.get("data")
    size = data.get("size") if isinstance(data, Mapping) else None
    return (size, size, 1) if isinstance(size, int) else DigitsData.input_shape
