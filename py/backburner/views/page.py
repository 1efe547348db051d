"""The page as a whole: which operation is shown, and one redraw a frame at most."""

from __future__ import annotations

from backburner.app.operations import Operations
from backburner.app.records import Records
from backburner.app.store import Store
from backburner.core.state import Operation, State
from backburner.core.wording import waiting_line, worker_line
from backburner.views.cooking import Cooking
from backburner.views.dom import Frames, by_id, set_shown, set_text
from backburner.views.earlier import Earlier
from backburner.views.examples import Examples
from backburner.views.recipe_form import RecipeForm


class PageView:
    """Reads the store, sends commands to the operations."""

    def __init__(
        self, store: Store, operations: Operations, records: Records, *, seed: int | None
    ) -> None:
        self._store = store
        self._records = records
        self._said: str | None = None
        self._operations = operations
        self._form = RecipeForm(self._start, seed=seed)
        self._cooking = Cooking(
            {"pause": operations.pause, "resume": operations.resume, "stop": operations.stop},
            self._tell,
        )
        self._examples = Examples(operations.predict_example, self._tell)
        self._earlier = Earlier(operations.stop)
        self._frames = Frames(self._draw)

    def install(self) -> None:
        self._form.install()
        self._cooking.install()
        self._examples.install()
        self._earlier.install()
        self._store.subscribe(lambda _state: self._frames.ask())
        self._draw()

    def _start(self, recipe: object) -> None:
        self._tell(None)
        self._operations.start(recipe)

    def _tell(self, text: str | None) -> None:
        """Shows what was refused; None forgets it, because something new was asked for."""
        self._said = text
        self._frames.ask()

    def _draw(self) -> None:
        state = self._store.state
        set_text(by_id("worker-state"), worker_line(state.worker))
        notice = self._said or self._records.problem
        set_text(by_id("notice"), notice or "")
        set_shown(by_id("notice"), notice is not None)
        set_text(by_id("waiting"), waiting_line(state.queued_count()))
        shown = _shown(state)
        if shown is not None:
            self._cooking.draw(shown, self._store.curves.get(shown.id))
            self._examples.draw(shown, self._store.pictures.get(shown.id))
        self._earlier.draw(state)


def _shown(state: State) -> Operation | None:
    """What cooks; else what was last begun; else what waits."""
    begun = [each for each in state.operations.values() if each.started is not None]
    return state.active() or (begun[-1] if begun else state.queued())
