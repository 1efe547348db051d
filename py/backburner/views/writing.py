"""A text as it is written, with its figures; and the form that asks a text model for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import js

from backburner.core.errors import ConfigurationError
from backburner.core.generation import Generation
from backburner.core.lifecycle import Status
from backburner.core.operation import Operation
from backburner.core.texts import Texts
from backburner.views.dom import as_number, by_id, listen
from backburner.views.notice import Notice
from backburner.views.written import Written


class WritingPanel:
    """Shown for an operation that writes. What is new is put behind what stands there."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._written = Written()
        self._drawn = ("", "")

    def draw(self, operation: Operation | None) -> None:
        writes = operation is not None and operation.kind == "generate"
        self._written.shown("writing-panel", writes)
        if operation is None or not writes:
            return
        self._draw_text(operation)
        for name, words in _figures(self._texts, operation).items():
            self._written.text(f"writing-{name}", words)

    def _draw_text(self, operation: Operation) -> None:
        self._written.shown("written", bool(operation.text))
        self._written.shown("writing-empty", not operation.text)
        self._written.text("written-prompt", _settings(operation).prompt)
        key, before = self._drawn
        element = self._written.element("written-text")
        if key == operation.id and before and operation.text.startswith(before):
            if len(operation.text) > len(before):
                element.append(operation.text[len(before) :])
        else:
            element.textContent = operation.text
        self._drawn = (operation.id, operation.text)


class WriteForm:
    """Shown for a text model that is trained. `start(recipe)` takes a recipe up."""

    def __init__(self, texts: Texts, start: Callable[[object], object]) -> None:
        self._texts = texts
        self._start = start
        self._written = Written()
        self._base: str | None = None

    def install(self) -> None:
        self._problem = Notice(by_id("write-error"), self._texts, stays=True)
        listen(by_id("write"), "submit", self._submit)

    def draw(self, operation: Operation | None) -> None:
        can_write = operation is not None and _can_write(operation)
        self._written.shown("write-panel", can_write)
        key = operation.id if operation and can_write else None
        if key != self._base:
            self._base = key
            self._problem.close()

    def _submit(self, event: Any) -> None:
        event.preventDefault()
        form = js.FormData.new(by_id("write"))
        recipe = {
            "recipe": 1,
            "kind": "generate",
            "seed": as_number(form.get("seed")),
            "model": {"from": self._base},
            "generation": {
                "prompt": form.get("prompt"),
                "length": as_number(form.get("length")),
                "temperature": as_number(form.get("temperature")),
            },
        }
        try:
            self._start(recipe)
            self._problem.close()
        except ConfigurationError as error:
            self._problem.say(error)


def _can_write(operation: Operation) -> bool:
    done = operation.status is Status.COMPLETED and operation.checkpoint is not None
    return done and operation.reads_text


def _settings(operation: Operation) -> Generation:
    return Generation.from_wire(operation.recipe.get("generation", {}))


def _figures(texts: Texts, operation: Operation) -> dict[str, str]:
    none = texts("common.none")
    at = operation.writing
    found = at.statistics if at else None
    return {
        "characters": texts("dashboard.figure.of", at=at.characters, all=at.length) if at else none,
        "speed": texts.number(at.characters_per_s) if at else none,
        "distinct": texts.number(found.distinct) if found else none,
        "entropy": texts.number(found.entropy_bits, 2) if found else none,
        "surprise": texts.number(found.surprise_bits, 2) if found else none,
        "temperature": texts.number(_settings(operation).temperature, 1),
    }
