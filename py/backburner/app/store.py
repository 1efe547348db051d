"""The one store: holds the state, lets the reducer change it, tells listeners afterwards.

Listeners hear in a batch, once for all changes of one turn, so that a burst of reports costs
one redraw. What grows without end or weighs much (curves, pictures) is kept beside the state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from backburner.core.curves import Curves
from backburner.core.errors import InterfaceError
from backburner.core.messages import TrainingProgressed
from backburner.core.operation import Operation
from backburner.core.state import (
    Change,
    Cleared,
    Part,
    PartMoved,
    PartState,
    Reported,
    Requested,
    State,
    reduce,
)

Listener = Callable[[State], None]


class Store:
    """`later` calls a function after the present turn (the event loop's `call_soon`)."""

    def __init__(self, later: Callable[[Callable[[], None]], object]) -> None:
        self.state = State()
        self.curves: dict[str, Curves] = {}
        self.pictures: dict[str, bytes] = {}
        self._later = later
        self._listeners: list[Listener] = []
        self._is_told = True

    def dispatch(self, change: Change) -> None:
        """Changes the state. Raises LifecycleError, with nothing changed, for a wrong move."""
        self.state = reduce(self.state, change)
        if isinstance(change, Requested):
            self.curves[change.operation.id] = Curves()
        if isinstance(change, Reported) and isinstance(change.report, TrainingProgressed):
            self.curves.setdefault(change.id, Curves()).extend(change.report)
        if isinstance(change, Cleared):
            self.curves.pop(change.id, None)
            self.pictures.pop(change.id, None)
        if self._is_told:
            self._is_told = False
            self._later(self._tell)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener(state)` after changes, until the function given back is called."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def move_part(self, name: str, state: PartState, detail: str = "") -> None:
        """Notes how a part of the start is doing."""
        self.dispatch(PartMoved(name=name, part=Part(state=state, detail=detail)))

    def get(self, key: str) -> Operation:
        """Raises InterfaceError for an id that nobody knows."""
        found = self.state.operations.get(key)
        if found is None:
            raise InterfaceError(
                f"There is no operation {key!r}. Ids come from start(); operations() lists them.",
                key="id",
            )
        return found

    async def until(self, key: str, wanted: Callable[[Operation], bool]) -> Operation:
        """Waits until an operation is as `wanted`. Raises InterfaceError when it is cleared."""
        if wanted(self.get(key)):
            return self.get(key)
        future: asyncio.Future[Operation] = asyncio.get_running_loop().create_future()

        def look(state: State) -> None:
            if future.done():
                return
            if key not in state.operations:
                future.set_exception(InterfaceError(f"{key} was cleared meanwhile.", key="id"))
            elif wanted(state.operations[key]):
                future.set_result(state.operations[key])

        forget = self.subscribe(look)
        try:
            return await future
        finally:
            forget()

    def _tell(self) -> None:
        self._is_told = True
        faults: list[Exception] = []
        for listener in list(self._listeners):
            try:
                listener(self.state)
            except Exception as fault:
                # One that fails must not keep the news from the others.
                faults.append(fault)
        if faults:
            raise ExceptionGroup("Listeners of the store failed.", faults)
