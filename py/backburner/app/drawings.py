"""The visitor's own drawings, as the page knows them: what can be drawn on before any worker is.

Every change is made here at once and handed over to the kitchen, which keeps it. What could not
be kept stays here, is said (`problem`), and is handed over again with the next change and to the
next kitchen.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from backburner.app.kitchens import Kitchens
from backburner.app.store import Store
from backburner.app.tasks import Tasks
from backburner.core.drawing import Bitmap
from backburner.core.errors import BackburnerError, DataError
from backburner.core.inline_data import LONGEST_NAME
from backburner.core.lifecycle import WorkerStatus
from backburner.core.messages import (
    ChangeDrawings,
    Drawing,
    DrawingsRead,
    DrawnClass,
    ReadDrawings,
)
from backburner.core.state import State

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was removed last, and can come back: some drawings, and the class at its place."""

    drawings: tuple[Drawing, ...]
    drawn_class: DrawnClass | None = None
    at: int = 0


class Drawings:
    """`listeners` hear of each change. `problem` says why drawings are lost with this page."""

    def __init__(
        self,
        store: Store,
        kitchens: Kitchens,
        *,
        now_s: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._store = store
        self._kitchens = kitchens
        self._now_s = now_s
        self._new_id = new_id
        self.classes: tuple[DrawnClass, ...] = ()
        self.all: dict[str, Drawing] = {}
        self.removed: Removed | None = None
        self.problem: str | None = None
        self.listeners: list[Callable[[], None]] = []
        self._unkept: list[ChangeDrawings] = []
        self._generation = 0
        self._turn = asyncio.Lock()
        self._tasks = Tasks()

    def open(self) -> None:
        """Reads what is kept as soon as there is a kitchen, and again with every new one."""
        self._store.subscribe(self._look)

    # --- what there is -------------------------------------------------------------------

    def of(self, drawn_class: DrawnClass) -> list[Drawing]:
        """The drawings of a class, in the order in which they were drawn."""
        return [each for each in self.all.values() if each.class_id == drawn_class.id]

    @property
    def counts(self) -> dict[str, int]:
        """How many drawings each class has, by name: what a recipe is checked against."""
        found = Counter(each.class_id for each in self.all.values())
        return {each.name: found[each.id] for each in self.classes}

    # --- changes -------------------------------------------------------------------------

    def add_class(self, name: str) -> DrawnClass:
        """Raises DataError for a name that is empty, too long or taken."""
        added = DrawnClass(id=self._new_id(), name=self._checked(name))
        self.classes += (added,)
        self._change()
        return added

    def rename(self, key: str, name: str) -> None:
        """Raises DataError for a name that is empty, too long or another class's."""
        checked = self._checked(name, but=key)
        self.classes = tuple(
            replace(each, name=checked) if each.id == key else each for each in self.classes
        )
        self._change()

    def remove_class(self, key: str) -> None:
        """Takes a class away with its drawings; `bring_back` undoes it."""
        at = next(at for at, each in enumerate(self.classes) if each.id == key)
        gone = self.classes[at]
        self.removed = Removed(drawings=tuple(self.of(gone)), drawn_class=gone, at=at)
        self.classes = tuple(each for each in self.classes if each.id != key)
        self._forget(self.removed.drawings, (key,))

    def keep(self, class_key: str, ink: Bitmap) -> None:
        """Keeps a drawing as an example of a class."""
        drawing = Drawing(
            id=self._new_id(), class_id=class_key, created=self._now_s(), ink=ink.to_text()
        )
        self.all[drawing.id] = drawing
        self._change(keep=(drawing,))

    def remove(self, key: str) -> None:
        """Takes one drawing away; `bring_back` undoes it."""
        self.removed = Removed(drawings=(self.all[key],))
        self._forget(self.removed.drawings)

    def bring_back(self) -> None:
        """Undoes the last removal."""
        removed, self.removed = self.removed, None
        if removed is None:
            return
        if removed.drawn_class is not None:
            before, after = self.classes[: removed.at], self.classes[removed.at :]
            self.classes = (*before, removed.drawn_class, *after)
        self.all |= {each.id: each for each in removed.drawings}
        self._sort()
        self._change(keep=removed.drawings)

    def _forget(self, drawings: tuple[Drawing, ...], classes: tuple[str, ...] = ()) -> None:
        gone = tuple(each.id for each in drawings)
        self.all = {key: each for key, each in self.all.items() if key not in gone}
        self._change(remove=gone, remove_classes=classes)

    def _checked(self, name: str, but: str | None = None) -> str:
        name = " ".join(name.split())
        if not 0 < len(name) <= LONGEST_NAME:
            raise DataError(
                f"A class needs a name of up to {LONGEST_NAME} characters: what it is that you "
                "draw, such as cat.",
                key="name",
            )
        if any(each.name == name and each.id != but for each in self.classes):
            raise DataError(f'There is a class "{name}" already. Choose another name.', key="name")
        return name

    # --- handing over --------------------------------------------------------------------

    def _change(
        self,
        *,
        keep: tuple[Drawing, ...] = (),
        remove: tuple[str, ...] = (),
        remove_classes: tuple[str, ...] = (),
    ) -> None:
        change = ChangeDrawings(
            classes=self.classes, keep=keep, remove=remove, remove_classes=remove_classes
        )
        self._unkept.append(change)
        self._tell()
        if self._generation:
            self._tasks.start(self.hand_over())

    async def hand_over(self) -> None:
        """Gives the kitchen what it has not kept yet; when it returns, the kitchen knows it.

        Never raises: what cannot be kept is `problem`.
        """
        async with self._turn:
            problem = self.problem if self._unkept else None
            while self._unkept:
                try:
                    await self._kitchens.ask(self._unkept[0], timeout_s=TIMEOUT_S)
                    self._unkept.pop(0)
                    problem = None
                except BackburnerError as error:
                    problem = error.message
                    break
        if problem != self.problem:
            self.problem = problem
            self._tell()

    def _look(self, state: State) -> None:
        worker = state.worker
        is_there = worker.status in (WorkerStatus.READY, WorkerStatus.BUSY)
        if is_there and worker.generation != self._generation:
            self._generation = worker.generation
            self._tasks.start(self._take_over())

    async def _take_over(self) -> None:
        """Reads what is kept; what this page has changed meanwhile goes on top."""
        try:
            answer = await self._kitchens.ask(ReadDrawings(), timeout_s=TIMEOUT_S)
        except BackburnerError as error:
            self.problem = error.message
            self._tell()
        else:
            assert isinstance(answer.message, DrawingsRead)
            self._merge(answer.message)
        await self.hand_over()

    def _merge(self, kept: DrawingsRead) -> None:
        if not self._unkept:
            self.classes = kept.classes
        else:
            here = {each.id for each in self.classes}
            gone = self.removed.drawn_class if self.removed else None
            others = [each for each in kept.classes if each.id not in here and each != gone]
            self.classes = (*self._with_free_names(others), *self.classes)
        drawings = {each.id: each for each in kept.drawings}
        for change in self._unkept:
            drawings |= {each.id: each for each in change.keep}
            drawings = {key: each for key, each in drawings.items() if key not in change.remove}
        self.all = drawings
        self._sort()
        if self._unkept:
            self._unkept.append(ChangeDrawings(classes=self.classes))
        self._tell()

    def _with_free_names(self, classes: list[DrawnClass]) -> list[DrawnClass]:
        """A class that was named here before the kept ones were known keeps its name."""
        taken = {each.name for each in self.classes}
        return [
            replace(each, name=f"{each.name} 2") if each.name in taken else each for each in classes
        ]

    def _sort(self) -> None:
        in_order = sorted(self.all.values(), key=lambda each: (each.created, each.id))
        self.all = {each.id: each for each in in_order}

    def _tell(self) -> None:
        for listener in self.listeners:
            listener()
