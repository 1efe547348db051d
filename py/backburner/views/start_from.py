"""Create's choice of what to begin with: a new network, or one that was trained here.

Offered are those that can learn on from the chosen data. For a trained one it asks what of it is
to learn, and says at once how many weights that are.
"""

from __future__ import annotations

import js

from backburner.core.fine_tuning import Base
from backburner.core.lifecycle import Status
from backburner.core.naming import name_of
from backburner.core.offered_data import OfferedData
from backburner.core.operation import Operation
from backburner.core.state import State
from backburner.core.texts import Texts
from backburner.core.tuning_words import trainable_words
from backburner.views.dom import as_number, by_id, listen, new, set_shown, set_text
from backburner.views.written import Written


class StartFrom:
    """What it has chosen always fits the data that it was drawn for."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._data = OfferedData()
        self._written = Written()
        self._bases: dict[str, Base] = {}
        self._options: tuple[tuple[str, str], ...] = ()

    def install(self) -> None:
        by_id("base").disabled = False
        listen(by_id("recipe"), "input", lambda _event: self._draw_choice())

    def draw(self, state: State, data: OfferedData) -> None:
        """Offers the networks that can be begun with, the newest first."""
        self._data = data
        known = [each for each in state.operations.values() if _is_trained(each)][::-1]
        for each in known:
            if each.id not in self._bases:
                self._bases[each.id] = Base.from_wire(each.network)
        options = tuple(
            (each.id, _name(self._texts, each)) for each in known if data.fits(self._bases[each.id])
        )
        if options != self._options:
            self._options = options
            self._draw_options()
        self._draw_choice()

    @property
    def chosen(self) -> str | None:
        """The id of the operation whose network is begun with; None for a new one."""
        return str(by_id("base").value) or None

    @property
    def base(self) -> Base | None:
        """The network that is begun with; None for a new one."""
        return self._bases[self.chosen] if self.chosen else None

    def method(self) -> dict[str, object]:
        """As a recipe's `method`."""
        form = js.FormData.new(by_id("recipe"))
        match str(form.get("method")):
            case "lora":
                return {"name": "lora", "rank": as_number(form.get("rank"))}
            case "last":
                return {"name": "last", "layers": as_number(form.get("layers"))}
            case name:
                return {"name": name}

    def _draw_options(self) -> None:
        select = by_id("base")
        chosen = str(select.value)
        for old in list(select.querySelectorAll("option[data-run]")):
            old.remove()
        for key, name in self._options:
            select.append(new("option", name, value=key, data_run=key))
        select.value = chosen if chosen in dict(self._options) else ""

    def _draw_choice(self) -> None:
        base = self.base
        set_shown(by_id("presets"), base is None)
        set_shown(by_id("tuning"), base is not None)
        if base is None:
            return
        method = self.method()
        self._written.shown("rank-field", method["name"] == "lora")
        self._written.shown("layers-field", method["name"] == "last")
        words = trainable_words(self._texts, base, method, self._data.classes)
        set_text(by_id("trainable"), words)


def _is_trained(operation: Operation) -> bool:
    is_there = operation.network is not None and operation.checkpoint is not None
    return is_there and operation.status is Status.COMPLETED


def _name(texts: Texts, operation: Operation) -> str:
    when = js.Date.new(operation.created * 1000).toLocaleString(texts.language)
    return f"{name_of(texts, operation)} ({when})"
