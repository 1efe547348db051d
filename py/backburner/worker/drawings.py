"""The visitor's drawings: kept, changed, and made into the data of a training.

A run learns from the drawings that there are when it begins. They are kept with the run, under
the sha256 of the data, so that it can be taken up again whatever is drawn or removed later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backburner.core.drawing import Bitmap
from backburner.core.errors import StorageError
from backburner.core.messages import ChangeDrawings, Drawing, DrawingsRead, DrawnClass
from backburner.core.recipe import DrawingsData, Recipe
from backburner.engine.data import Dataset
from backburner.engine.training import Training
from backburner.worker.archive import Archive
from backburner.worker.records import KeptClasses, KeptDrawing
from backburner.worker.storage import Database, Delete, Get, Put, Row, Rows, Write

CLASSES = "classes"
"""The key of the one row that holds the classes; every other row is a drawing."""


class Shelf:
    """The drawings in the database, and those changes that could not be written to it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._unwritten: list[ChangeDrawings] = []

    async def read(self) -> DrawingsRead:
        """What is kept, with what only this worker knows. Rows that are torn are passed over."""
        try:
            (rows,) = await self._database.read(Rows("drawings"))
        except StorageError:
            if not self._unwritten:
                raise
            rows = []
        classes: tuple[DrawnClass, ...] = ()
        drawings: dict[str, Drawing] = {}
        for row in rows:
            try:
                if KeptClasses.is_in(row):
                    classes = KeptClasses.from_row(row).classes
                else:
                    drawing = KeptDrawing.from_row(row).drawing
                    drawings[drawing.id] = drawing
            except StorageError:
                continue
        for change in self._unwritten:
            classes = _changed(classes, change)
            drawings |= {each.id: each for each in change.keep}
            drawings = {key: each for key, each in drawings.items() if key not in change.remove}
        in_order = sorted(drawings.values(), key=lambda each: (each.created, each.id))
        return DrawingsRead(classes=classes, drawings=tuple(in_order))

    async def change(self, change: ChangeDrawings) -> None:
        """Writes a change, and those before it that could not be written.

        Raises StorageError; the change holds all the same for as long as the worker lives.
        """
        self._unwritten.append(change)
        writing = tuple(self._unwritten)
        writes: list[Write] = []
        for each in writing:
            writes += [
                Put("drawings", _key(drawing.id), KeptDrawing(drawing=drawing).to_row())
                for drawing in each.keep
            ]
            writes += [Delete("drawings", _key(key)) for key in each.remove]

        def decide(found: list[Any]) -> list[Write]:
            classes = _kept_classes(found[0])
            for each in writing:
                classes = _changed(classes, each)
            return [Put("drawings", CLASSES, KeptClasses(classes=classes).to_row()), *writes]

        await self._database.write(("drawings",), (Get("drawings", CLASSES),), decide)
        self._unwritten = [each for each in self._unwritten if each not in writing]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """A recipe that can work, and its data where that stands in no file and in no recipe."""

    recipe: Recipe
    data: Dataset | None = None

    @classmethod
    async def of_new(cls, wire: Mapping[str, Any], shelf: Shelf) -> Ingredients:
        """For a new run, with the drawings that there are now. Raises ConfigurationError."""
        if not _is_drawn(wire):
            return cls(recipe=Recipe.from_wire(wire))
        read = await shelf.read()
        names = [each.name for each in read.classes]
        labels = {each.id: at for at, each in enumerate(read.classes)}
        examples = [
            (labels[each.class_id], Bitmap.from_text(each.ink))
            for each in read.drawings
            if each.class_id in labels
        ]
        found = Counter(label for label, _ in examples)
        counts = {name: found[at] for at, name in enumerate(names)}
        recipe = Recipe.from_wire(wire, drawings=counts)
        assert isinstance(recipe.data, DrawingsData)
        return cls(recipe=recipe, data=Dataset.from_drawings(examples, names, recipe.data.size))

    @classmethod
    async def of_kept(
        cls, wire: Mapping[str, Any], archive: Archive, sha256: str | None
    ) -> Ingredients:
        """For a run that goes on, with the data that it began with. Raises DataError."""
        if not _is_drawn(wire):
            return cls(recipe=Recipe.from_wire(wire))
        data = await archive.dataset(sha256 or "")
        found = Counter(data.labels)
        counts = {name: found[at] for at, name in enumerate(data.classes)}
        return cls(recipe=Recipe.from_wire(wire, drawings=counts), data=data)


def data_to_keep(training: Training) -> Dataset | None:
    """What must be kept with a run, because its source may be another one tomorrow."""
    return training.dataset if isinstance(training.recipe.data, DrawingsData) else None


def _is_drawn(wire: Mapping[str, Any]) -> bool:
    data = wire.get("data")
    return isinstance(data, Mapping) and data.get("source") == DrawingsData.source


def _kept_classes(row: Row | None) -> tuple[DrawnClass, ...]:
    """Those of a row; a torn one counts as none: what is named with a change is written anew."""
    try:
        return () if row is None else KeptClasses.from_row(row).classes
    except StorageError:
        return ()


def _changed(kept: tuple[DrawnClass, ...], change: ChangeDrawings) -> tuple[DrawnClass, ...]:
    """The classes after a change; what another tab has added meanwhile stays."""
    named = {each.id for each in change.classes} | set(change.remove_classes)
    return (*change.classes, *(each for each in kept if each.id not in named))


def _key(drawing: str) -> str:
    return f"drawing {drawing}"
