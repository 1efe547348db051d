"""The form that makes a recipe: data, network, a few settings, and Train."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import js

from backburner.core.errors import ConfigurationError, DataError
from backburner.core.recipe import DrawingsData
from backburner.core.split import SplitRecipe, divide
from backburner.core.state import State
from backburner.core.texts import Texts
from backburner.views.dom import around, by_id, find, listen, set_text
from backburner.views.notice import Notice

_FIELDS = {
    "seed": "seed",
    "training.epochs": "epochs",
    "training.learning_rate": "learning_rate",
    "training.batch_size": "batch_size",
    "training.optimizer": "optimizer",
    "model.preset": "preset",
    "data.source": "source",
    "data.classes": "source",
    "data.split": "source",
}
"""Key of the recipe: name of its field in the form."""


class RecipeForm:
    """`start(recipe)` takes a recipe up, or raises ConfigurationError, which is shown here.

    `drawings` says how many there are of each class.
    """

    def __init__(
        self,
        texts: Texts,
        start: Callable[[object], object],
        *,
        seed: int | None,
        drawings: Callable[[], Mapping[str, int]],
    ) -> None:
        self._texts = texts
        self._start = start
        self._drawings = drawings
        self._seed = seed
        self._refused_with: dict[str, int] | None = None

    def install(self) -> None:
        """Makes the form usable; until now its button was disabled."""
        form = by_id("recipe")
        self._problem = Notice(by_id("recipe-error"), self._texts, stays=True)
        if self._seed is not None:
            form.elements.seed.value = str(self._seed)
        listen(form, "submit", self._submit)
        by_id("train").disabled = False

    def _submit(self, event: Any) -> None:
        event.preventDefault()
        for name in _FIELDS.values():
            self._mark(name, wrong=False)
        try:
            self._start(self._recipe())
            self._problem.close()
        except ConfigurationError as error:
            self._refused_with = dict(self._drawings())
            self._problem.say(error)
            self._show_place(error.key)

    def draw(self, state: State) -> None:
        """Says what a new training would have to wait for, and forgets what is mended."""
        if self._refused_with is not None and self._refused_with != dict(self._drawings()):
            self._refused_with = None
            self._problem.close()
        before = state.queued_count() + (state.active() is not None)
        set_text(by_id("queue-hint"), self._texts("create.queue", count=before) if before else "")

    def _recipe(self) -> dict[str, object]:
        form = js.FormData.new(by_id("recipe"))
        source, batch_size = form.get("source"), _number(form.get("batch_size"))
        if source == DrawingsData.source:
            batch_size = _fitting(batch_size, self._drawings())
        return {
            "recipe": 1,
            "kind": "train",
            "seed": _number(form.get("seed")),
            "data": {"source": source},
            "model": {"preset": form.get("preset")},
            "training": {
                "epochs": _number(form.get("epochs")),
                "batch_size": batch_size,
                "learning_rate": _number(form.get("learning_rate")),
                "optimizer": form.get("optimizer"),
            },
        }

    def _show_place(self, key: str | None) -> None:
        """Moves what was refused to its field; what has no field is said above the button."""
        name = _FIELDS.get(key or "")
        field = find(by_id("recipe"), f"[name={name}]") if name else None
        if name is None or field is None:
            by_id("go").before(by_id("recipe-error"))
            return
        self._mark(name, wrong=True)
        (around(field, "label") or field).after(by_id("recipe-error"))
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


def _fitting(batch_size: object, drawings: Mapping[str, int]) -> object:
    """A batch no larger than what there is to train on: few people draw 32 examples."""
    try:
        parts = divide(list(drawings.values()), list(drawings), SplitRecipe())
    except DataError:
        return batch_size  # the recipe's own check says what is missing
    trained = sum(counts["train"] for counts in parts)
    return min(batch_size, trained) if isinstance(batch_size, int) else batch_size


def _number(text: str) -> object:
    """What was typed, as a number if it is one; the recipe's own check names what is wrong."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or None
