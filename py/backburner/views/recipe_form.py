"""The form that makes a recipe: data, network, a few settings, and Train."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import js

from backburner.core.data_sources import DrawingsData
from backburner.core.errors import ConfigurationError, DataError
from backburner.core.offered_data import OfferedData
from backburner.core.presets import TEXT_PRESET
from backburner.core.shapes_data import ShapesData
from backburner.core.split import SplitRecipe, divide
from backburner.core.state import State
from backburner.core.text_data import TextData, decode_text, normalized, vocabulary_of
from backburner.core.texts import Texts
from backburner.views.dom import around, as_number, by_id, find, listen, set_shown, set_text
from backburner.views.notice import Notice
from backburner.views.preset_cards import PresetCards
from backburner.views.start_from import StartFrom

_FIELDS = {
    "seed": "seed",
    "training.epochs": "epochs",
    "training.learning_rate": "learning_rate",
    "training.batch_size": "batch_size",
    "training.optimizer": "optimizer",
    "training.augmentation": "augmentation",
    "training.early_stopping": "early_stopping",
    "model.preset": "preset",
    "data.source": "source",
    "data.difficulty": "difficulty",
    "data.text": "text",
    "data.classes": "source",
    "data.split": "source",
    "model.from": "base",
    "method.rank": "rank",
    "method.layers": "layers",
}
"""Key of the recipe: name of its field in the form."""

_LEARNING_RATES = ("0.001", "0.005")
"""What is proposed for pictures and for texts."""

_TICKED: dict[str, dict[str, object]] = {
    # Little enough that a digit stays the digit that it is, and so without mirroring.
    "augmentation": {"shift": 0.1, "rotate": 10, "noise": 0.05},
    "early_stopping": {"patience": 3},
}
"""What a box that is ticked adds to the training."""

_OF_PICTURES = ("augmentation",)
"""Those that a text cannot have."""

_MOST_DIFFICULT = 4
"""The number of the word for what is most difficult; 0 is that for what is easiest."""


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
        self._from = StartFrom(texts)
        self._presets = PresetCards(texts)
        self._seed = seed
        self._state = State()
        self._characters: tuple[str, ...] = ()
        """Those of the text in the field; none where it is the shipped one."""
        self._refused_with: dict[str, int] | None = None

    def install(self) -> None:
        """Makes the form usable; until now its button was disabled."""
        form = by_id("recipe")
        self._problem = Notice(by_id("recipe-error"), self._texts, stays=True)
        if self._seed is not None:
            form.elements.seed.value = str(self._seed)
        listen(form, "submit", self._submit)
        listen(by_id("sources"), "change", self._on_source)
        listen(by_id("own-text"), "change", self._on_text)
        listen(by_id("text-file"), "change", self._on_file)
        listen(form.elements.difficulty, "input", lambda _event: self._draw_difficulty())
        self._on_text(None)  # the browser may have kept what was written before a reload
        self._on_source(None)
        self._from.install()
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
        self._state = state
        self._draw_choices()
        before = state.queued_count() + (state.active() is not None)
        set_text(by_id("queue-hint"), self._texts("create.queue", count=before) if before else "")

    def _recipe(self) -> dict[str, object]:
        form = js.FormData.new(by_id("recipe"))
        source, batch_size = form.get("source"), as_number(form.get("batch_size"))
        is_text, base = source == TextData.source, self._from.base
        begins: dict[str, object] = {
            "kind": "train",
            "model": {"preset": TEXT_PRESET if is_text else form.get("preset")},
        }
        if base is not None:
            begins = {
                "kind": "fine-tune",
                "model": {"from": self._from.chosen},
                "method": self._from.method(),
            }
        if source == DrawingsData.source:
            batch_size = _fitting(batch_size, self._drawings())
        data: dict[str, object] = {"source": source}
        if source == ShapesData.source:
            data["difficulty"] = as_number(form.get("difficulty"))
        text = form.get("text")
        if is_text and text.strip():
            data["text"] = text
        if base is not None:
            data = base.with_size(data)
        if "text" in data:
            batch_size = _fitting_text(batch_size, data)
        return {
            "recipe": 1,
            **begins,
            "seed": as_number(form.get("seed")),
            "data": data,
            "training": {
                "epochs": as_number(form.get("epochs")),
                "batch_size": batch_size,
                "learning_rate": as_number(form.get("learning_rate")),
                "optimizer": form.get("optimizer"),
                **{
                    name: wanted
                    for name, wanted in _TICKED.items()
                    if form.get(name) and not (is_text and name in _OF_PICTURES)
                },
            },
        }

    def _on_source(self, _event: Any) -> None:
        """Shows what belongs to the chosen data, and proposes what suits them."""
        form = by_id("recipe")
        source = js.FormData.new(form).get("source")
        for part in form.querySelectorAll("[data-for]"):
            set_shown(part, source in part.getAttribute("data-for").split())
        rate = form.elements.learning_rate
        if rate.value in _LEARNING_RATES:  # nobody has written another one
            rate.value = _LEARNING_RATES[source == TextData.source]
        self._draw_choices()

    def _on_text(self, _event: Any) -> None:
        """How large the network is depends on how many different characters there are."""
        text = normalized(str(by_id("own-text").value))
        self._characters = vocabulary_of(text) if text.strip() else ()
        self._draw_choices()

    async def _on_file(self, event: Any) -> None:
        """Brings a file's text into the field, where it can be seen and changed."""
        file = event.target.files.item(0)
        if not file:
            return
        content = bytes((await file.arrayBuffer()).to_bytes())
        try:
            by_id("own-text").value = decode_text(content, file.name)
            self._on_text(None)
            self._problem.close()
        except DataError as error:
            event.target.value = ""
            self._problem.say(error)
            self._show_place(error.key)

    def _draw_choices(self) -> None:
        """What there is to choose for the chosen data, and in which words."""
        source = str(js.FormData.new(by_id("recipe")).get("source"))
        data = OfferedData.of(source, drawn=self._drawings(), characters=self._characters)
        self._presets.draw(data)
        self._from.draw(self._state, data)
        self._draw_difficulty()

    def _draw_difficulty(self) -> None:
        slider = by_id("recipe").elements.difficulty
        words = self._texts(f"create.difficulty.{round(_MOST_DIFFICULT * float(slider.value))}")
        if slider.getAttribute("aria-valuetext") != words:
            slider.setAttribute("aria-valuetext", words)
            set_text(by_id("difficulty-words"), words)

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


def _fitting_text(batch_size: object, data: Mapping[str, object]) -> object:
    """A batch no larger than the windows of a short text."""
    try:
        trained = TextData.from_wire(data).part_sizes()["train"]
    except ConfigurationError:
        return batch_size
    return min(batch_size, trained) if isinstance(batch_size, int) else batch_size
