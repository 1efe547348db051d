"""The form that makes a recipe: data, network, a few settings, and Train."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import js

from backburner.core.errors import ConfigurationError
from backburner.views.dom import around, by_id, find, listen, set_shown, set_text

_FIELDS = {
    "seed": "seed",
    "training.epochs": "epochs",
    "training.learning_rate": "learning_rate",
    "training.batch_size": "batch_size",
    "training.optimizer": "optimizer",
    "model.preset": "preset",
    "data.source": "source",
}
"""Key of the recipe: name of its field in the form."""


class RecipeForm:
    """`start(recipe)` takes a recipe up, or raises ConfigurationError, which is shown here."""

    def __init__(self, start: Callable[[object], object], *, seed: int | None) -> None:
        self._start = start
        self._seed = seed

    def install(self) -> None:
        """Makes the form usable; until now its button was disabled."""
        form = by_id("recipe")
        if self._seed is not None:
            form.elements.seed.value = str(self._seed)
        listen(form, "submit", self._submit)
        by_id("train").disabled = False

    def _submit(self, event: Any) -> None:
        event.preventDefault()
        for name in _FIELDS.values():
            self._mark(name, wrong=False)
        problem = by_id("recipe-error")
        try:
            self._start(self._recipe())
            set_shown(problem, False)
        except ConfigurationError as error:
            set_text(problem, error.message)
            set_shown(problem, True)
            self._show_place(error.key)

    def _recipe(self) -> dict[str, object]:
        form = js.FormData.new(by_id("recipe"))
        return {
            "recipe": 1,
            "kind": "train",
            "seed": _number(form.get("seed")),
            "data": {"source": form.get("source")},
            "model": {"preset": form.get("preset")},
            "training": {
                "epochs": _number(form.get("epochs")),
                "batch_size": _number(form.get("batch_size")),
                "learning_rate": _number(form.get("learning_rate")),
                "optimizer": form.get("optimizer"),
            },
        }

    def _show_place(self, key: str | None) -> None:
        name = _FIELDS.get(key or "")
        if name is None:
            return
        self._mark(name, wrong=True)
        field = find(by_id("recipe"), f"[name={name}]")
        if field is None:
            return
        details = around(field, "details")
        if details is not None:
            details.open = True
        field.focus()

    def _mark(self, name: str, *, wrong: bool) -> None:
        field = find(by_id("recipe"), f"[name={name}]")
        if field is None:
            return
        if wrong:
            field.setAttribute("aria-invalid", "true")
            field.setAttribute("aria-describedby", "recipe-error")
        else:
            field.removeAttribute("aria-invalid")
            field.removeAttribute("aria-describedby")


def _number(text: str) -> object:
    """What was typed, as a number if it is one; the recipe's own check names what is wrong."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or None
