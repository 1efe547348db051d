"""The page as a whole: its views, each in its own guard, and one redraw a frame at most."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from backburner.app.house import House
from backburner.app.preferences import KeptPreferences
from backburner.core.errors import StorageError
from backburner.core.explanations import unexpected
from backburner.core.lifecycle import WorkerStatus
from backburner.core.routes import View
from backburner.core.state import State
from backburner.core.texts import Texts
from backburner.core.wording import fallback_line, fallback_reason, worker_line
from backburner.views.dashboard import Dashboard
from backburner.views.dom import Frames, by_id, hear_faults, set_shown, set_text
from backburner.views.drawings import DrawingsCard
from backburner.views.guard import Guard
from backburner.views.notice import Notice, Said
from backburner.views.playground import Playground
from backburner.views.recipe_form import RecipeForm
from backburner.views.router import Router
from backburner.views.settings import Settings
from backburner.views.welcome import Welcome


class PageView:
    """Reads the store, sends commands to the operations."""

    def __init__(
        self,
        house: House,
        preferences: KeptPreferences,
        texts: Texts,
        *,
        seed: int | None,
        now_s: Callable[[], float],
    ) -> None:
        self._store = house.store
        self._operations = house.operations
        self._records = house.records
        self._logs = house.logs
        self._preferences = preferences
        self._texts = texts
        self._said: Said = None
        self._closed: str | None = None
        self._router = Router()
        self._welcome = Welcome(texts, house.startup.retry)
        self._form = RecipeForm(
            texts, self._start, seed=seed, drawings=lambda: house.drawings.counts
        )
        self._drawings = DrawingsCard(texts, house.drawings)
        self._playground = Playground(
            texts,
            house.operations.predict,
            is_open=lambda: self._router.view is View.PLAYGROUND,
            show=lambda key: self._dashboard.show(key),
        )
        self._frames = Frames(self._draw)
        self._dashboard = Dashboard(
            texts,
            house,
            go=self._router.go,
            ask=self._frames.ask,
            tell=self._tell,
            now_s=now_s,
            drawing=self._playground.drawing,
        )
        self._settings = Settings(texts, preferences, self._tell)
        draws: dict[View, Callable[[State], None]] = {
            View.WELCOME: self._welcome.draw,
            View.CREATE: self._where_seen(View.CREATE, self._draw_create),
            View.DASHBOARD: self._where_seen(View.DASHBOARD, self._dashboard.draw),
            View.PLAYGROUND: self._playground.draw,
            View.SETTINGS: self._settings.draw,
        }
        log = partial(house.logs.add, "error")
        self._guards = [Guard(view, draw, texts, log) for view, draw in draws.items()]

    def install(self) -> None:
        self._notice = Notice(by_id("notice"), self._texts, on_close=self._on_close)
        for view in (self._welcome, self._form, self._dashboard):
            view.install()
        self._drawings.install()
        self._playground.install()
        self._settings.install()
        hear_faults(self._on_fault)
        self._preferences.listeners.append(lambda _preferences: self._frames.ask())
        self._store.subscribe(lambda _state: self._frames.ask())
        self._router.listen(self._frames.ask)
        self._draw()

    def _start(self, recipe: object) -> None:
        self._tell(None)
        self._operations.start(recipe)
        self._dashboard.follow()
        self._router.go(View.DASHBOARD)

    def _tell(self, said: Said) -> None:
        """Shows what was refused; None forgets it, because something new was asked for."""
        self._said, self._closed = said, None
        self._frames.ask()

    def _on_fault(self, detail: str) -> None:
        """A mistake of our own outside of drawing: what was pressed did not do what it should."""
        self._logs.add("error", detail)
        self._tell(unexpected(self._texts, detail))

    def _draw(self) -> None:
        state = self._store.state
        set_text(by_id("worker-state"), worker_line(self._texts, state.worker))
        self._draw_fallback(state)
        self._draw_notice()
        self._dashboard.draw_bar(state)
        for guard in self._guards:
            guard.draw(state)

    def _draw_fallback(self, state: State) -> None:
        """Its words; that it is shown at all is up to the document's data-mode."""
        if state.worker.mode == "worker":
            return
        reason = fallback_reason(state.worker)
        by_id("fallback").classList.toggle("problem", state.worker.status is WorkerStatus.LOST)
        set_text(by_id("fallback-words"), fallback_line(self._texts, state.worker))
        set_text(by_id("fallback-reason"), reason)
        set_shown(by_id("fallback-technical"), bool(reason))

    def _draw_notice(self) -> None:
        problem = self._records.problem
        said = self._said or (StorageError(problem) if problem else None)
        if said is None or str(said) != self._closed:
            self._notice.say(said)

    def _on_close(self) -> None:
        # What still holds, as a storage that is denied, does not come back by itself.
        self._closed = str(self._said or self._records.problem)
        self._said = None

    def _draw_create(self, state: State) -> None:
        self._form.draw(state)
        self._drawings.draw()

    def _where_seen(self, view: View, draw: Callable[[State], None]) -> Callable[[State], None]:
        """For a view with much to compare: a training is under way mostly behind another one."""

        def draw_if_seen(state: State) -> None:
            if self._router.view is view:
                draw(state)

        return draw_if_seen
