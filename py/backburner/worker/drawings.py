"""The visitor's drawings: kept, and changed."""

from __future__ import annotations

from typing import Any

from backburner.core.errors import StorageError
from backburner.core.messages import ChangeDrawings, Drawing, DrawingsRead, DrawnClass
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
