"""What a network takes for what: the confusion matrix, the examples behind it, figures by class.

A number in the table is a button: it shows the examples behind it. An example that is pressed is
looked at by the layers, further up in the panel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backburner.app.inspection import Inspection
from backburner.core.errors import BackburnerError
from backburner.core.examination import Answer, Examination
from backburner.core.messages import ModelReady, PartExamined
from backburner.core.operation import Operation
from backburner.core.texts import Texts
from backburner.views.asking import Asker
from backburner.views.dom import around, by_id, find, listen, new, set_text
from backburner.views.gallery import Gallery
from backburner.views.notice import Said
from backburner.views.written import Written

MOST_BEHIND = 24
"""Examples that are shown of one cell."""

LEAST_REST_S = 2.0
RESTS = 50
"""It rests so many times as long as an answer took, so that a training loses at most a fiftieth."""

Place = tuple[int, int]


class Answers:
    """`look` hears of an example that was pressed: its index and its label."""

    def __init__(
        self,
        texts: Texts,
        inspection: Inspection,
        asker: Asker,
        look: Callable[[int, str], None],
        tell: Callable[[Said], None],
        ask: Callable[[], None],
    ) -> None:
        self._texts = texts
        self._inspection = inspection
        self._asker = asker
        self._tell = tell
        self._ask = ask
        self._written = Written()
        self._behind = Gallery("inside-behind", texts, inspection, look, tell)
        self._worst = Gallery("inside-worst", texts, inspection, look, tell)
        self._part: str | None = None
        """The one that was chosen; None leaves it to how far the training is."""
        self._named = ""
        """The one that the list names."""
        self._operation: Operation | None = None
        self._found: tuple[PartExamined, Examination] | None = None
        self._cells: dict[Place, Any] = {}
        self._figures: list[list[Any]] = []
        self._chosen: Place | None = None
        self._tables: tuple[str, ...] = ()
        self._drawn: tuple[object, ...] = ()

    def install(self) -> None:
        listen(by_id("inside-part"), "change", self._choose_part)
        listen(by_id("confusion"), "click", self._press)
        self._behind.install()
        self._worst.install()

    def draw(self, operation: Operation, *, may_ask: bool) -> None:
        """Shows what is known, and asks for more where somebody looks."""
        model = operation.model
        assert model is not None
        if self._operation is None or self._operation.id != operation.id:
            self._found = self._chosen = self._part = None
        self._operation = operation
        # A model that keeps a sequence to its end answers at each position.
        has_one_answer = len(model.layers[-1].shape) == 1
        self._written.shown("answers-of-texts", not has_one_answer)
        self._written.shown("answers", has_one_answer)
        if not has_one_answer:
            return
        part = self._part or _part_of(operation, model)
        if part != self._named:
            self._named = by_id("inside-part").value = part
        if may_ask:
            self._asker.put((operation.id, part), operation.step, self._examine)
        self._draw_tables(model)

    # --- question and answer -------------------------------------------------------------

    def _choose_part(self, event: Any) -> None:
        self._part = self._named = str(event.target.value)
        self._ask()

    async def _examine(self) -> None:
        operation = self._operation
        assert operation is not None
        assert operation.model is not None
        part = self._part or _part_of(operation, operation.model)
        try:
            self._found = await self._inspection.examine(operation.id, part)
        except BackburnerError as error:
            if self._operation is not None and self._operation.lives:
                self._tell(error)
            return
        self._asker.rest_s = max(LEAST_REST_S, RESTS * self._found[0].took_ms / 1_000)

    # --- tables --------------------------------------------------------------------------

    def _draw_tables(self, model: ModelReady) -> None:
        tables = (self._texts.language, *model.classes)
        if tables != self._tables:
            self._tables, self._drawn = tables, ()
            self._build_confusion(model.classes)
            self._build_figures(model.classes)
        now = (self._found, self._chosen, tables)
        if now == self._drawn:
            return
        self._drawn = now
        answers = self._found[1] if self._found else Examination(())
        self._written.text("answers-text", self._summary())
        self._fill_confusion(model.classes, answers)
        self._fill_figures(model.classes, answers)
        self._show_examples(model, answers)

    def _summary(self) -> str:
        if self._found is None:
            return self._texts("inside.answers.asking")
        examined, answers = self._found
        if answers.accuracy is None:
            return self._texts("inside.answers.empty")
        right = sum(answer.is_right for answer in answers.answers)
        return self._texts(
            "inside.answers.right",
            right=right,
            count=examined.count,
            percent=self._texts.percent(answers.accuracy),
            step=examined.step,
        )

    def _build_confusion(self, classes: tuple[str, ...]) -> None:
        head, body = new("tr"), new("tbody")
        head.append(new("td"))
        head.append(*(new("th", name, scope="col") for name in classes))
        self._cells = {}
        for label, name in enumerate(classes):
            row = new("tr")
            row.append(new("th", name, scope="row"))
            for predicted in range(len(classes)):
                cell = new("td", class_="right" if predicted == label else "wrong")
                button = new(
                    "button",
                    type="button",
                    data_label=str(label),
                    data_predicted=str(predicted),
                    data_testid=f"cell-{label * len(classes) + predicted}",
                )
                cell.append(button)
                row.append(cell)
                self._cells[label, predicted] = button
            body.append(row)
        table_head = new("thead")
        table_head.append(head)
        table = by_id("confusion")
        caption = find(table, "caption")
        table.replaceChildren(caption, table_head, body)

    def _fill_confusion(self, classes: tuple[str, ...], answers: Examination) -> None:
        counts = answers.counts(len(classes))
        for (label, predicted), button in self._cells.items():
            count = counts[label][predicted]
            text = str(count) if count else "·"
            chosen = "true" if (label, predicted) == self._chosen else "false"
            if button.textContent == text and button.getAttribute("aria-pressed") == chosen:
                continue
            set_text(button, text)
            words = self._cell_words(classes, (label, predicted), count)
            button.setAttribute("aria-label", words)
            button.setAttribute("aria-pressed", chosen)
            # An empty cell has nothing to show; it keeps the focus where it had that.
            button.setAttribute("aria-disabled", "false" if count else "true")
            button.tabIndex = 0 if count else -1
            share = count / max(1, sum(counts[label]))
            button.parentElement.style.setProperty("--share", f"{share:.3f}")

    def _cell_words(self, classes: tuple[str, ...], place: Place, count: int) -> str:
        label, predicted = place
        return self._texts(
            f"inside.cell.{'right' if label == predicted else 'wrong'}",
            label=classes[label],
            predicted=classes[predicted],
            count=count,
        )

    def _build_figures(self, classes: tuple[str, ...]) -> None:
        body = by_id("class-figures")
        body.replaceChildren()
        self._figures = []
        for name in classes:
            row, cells = new("tr"), [new("td") for _ in range(3)]
            row.append(new("th", name, scope="row"), *cells)
            body.append(row)
            self._figures.append(cells)

    def _fill_figures(self, classes: tuple[str, ...], answers: Examination) -> None:
        none = self._texts("common.none")
        for cells, each in zip(self._figures, answers.per_class(len(classes)), strict=True):
            shares = (
                none if share is None else self._texts.percent(share)
                for share in (each.recall, each.precision)
            )
            for cell, text in zip(cells, (self._texts.number(each.count), *shares), strict=True):
                set_text(cell, text)

    # --- examples ------------------------------------------------------------------------

    def _press(self, event: Any) -> None:
        button = around(event.target, "button")
        if button is None or button.getAttribute("aria-disabled") == "true":
            return
        place = int(button.dataset.label), int(button.dataset.predicted)
        self._chosen = None if place == self._chosen else place
        by_id("behind-text").setAttribute("aria-live", "polite")
        self._ask()

    def _show_examples(self, model: ModelReady, answers: Examination) -> None:
        assert self._operation is not None
        behind = answers.cells().get(self._chosen, ()) if self._chosen is not None else ()
        self._written.text("behind-text", self._behind_words(model, behind))
        self._behind.show(self._operation, behind[:MOST_BEHIND])
        worst = answers.worst()
        is_flawless = self._found is not None and not worst and bool(answers.answers)
        self._written.shown("no-mistakes", is_flawless)
        self._worst.show(self._operation, worst)

    def _behind_words(self, model: ModelReady, behind: tuple[Answer, ...]) -> str:
        if self._chosen is None:
            return self._texts("inside.behind.press")
        words = self._cell_words(model.classes, self._chosen, len(behind))
        if len(behind) > MOST_BEHIND:
            return self._texts("inside.behind.some", words=words, shown=MOST_BEHIND)
        return words


def _part_of(operation: Operation, model: ModelReady) -> str:
    """While it trains, the part that is there to be looked at; in the end the one kept for then."""
    if operation.is_active and model.sizes.get("validation"):
        return "validation"
    return "test" if model.sizes.get("test") else "validation"
