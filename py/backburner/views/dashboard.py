"""The dashboard: one operation at a time, and everything that is known of it.

Owns which operation is shown: the one that was chosen, else the one that cooks, else the last
one. What is drawn of it is the business of its panels.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from backburner.app.house import House
from backburner.app.tasks import Tasks
from backburner.core.curves import Curves
from backburner.core.errors import BackburnerError
from backburner.core.kinds import TABLE
from backburner.core.naming import name_of
from backburner.core.operation import Operation
from backburner.core.panel import Action
from backburner.core.routes import View
from backburner.core.state import State
from backburner.core.texts import Texts
from backburner.core.wording import waiting_line
from backburner.views.charts import Charts
from backburner.views.comparison import ComparisonPanel
from backburner.views.control_panel import ControlPanel
from backburner.views.earlier import Earlier
from backburner.views.examples import Examples
from backburner.views.figures import Figures
from backburner.views.fingerprint import FingerprintPanel
from backburner.views.inside import Inside
from backburner.views.logs_panel import LogsPanel
from backburner.views.notice import Said
from backburner.views.status_bar import Herald, StatusBar
from backburner.views.subjects import Drawing
from backburner.views.writing import WriteForm, WritingPanel
from backburner.views.written import Written

Command = Callable[[str], Awaitable[object] | None]

_OF_A_TRAINING = ("charts-panel", "figures-panel", "examples-panel")
"""The panels that have nothing to say of an operation that writes."""

TICK_S = 1.0
"""How often "updated 3 s ago" counts on while nothing else redraws the page."""


class Dashboard:
    """Reads the store, sends commands to the operations.

    `go` leads to another view, `ask` asks for a redraw, `tell` shows what a command was refused
    with, `now_s` gives seconds, `drawing` is what is drawn in the Playground.
    """

    def __init__(
        self,
        texts: Texts,
        house: House,
        *,
        go: Callable[[View], None],
        ask: Callable[[], None],
        tell: Callable[[Said], None],
        now_s: Callable[[], float],
        drawing: Drawing,
    ) -> None:
        self._texts = texts
        self._store = house.store
        self._operations = operations = house.operations
        self._go = go
        self._ask = ask
        self._tell = tell
        self._tasks = Tasks()
        self._written = Written()
        self._chosen: str | None = None
        self._compared: list[str] = []
        self._fetched: set[str] = set()
        self._ticks: asyncio.TimerHandle | None = None
        commands: dict[Action, Command] = {
            Action.PAUSE: operations.pause,
            Action.RESUME: operations.resume,
            Action.STOP: operations.stop,
            Action.ABORT: operations.abort,
            Action.CLEAR: operations.clear,
            Action.RESET: self._reset,
            Action.PLAYGROUND: lambda _key: go(View.PLAYGROUND),
            Action.RUN_AGAIN: self._run_again,
            Action.NEW_MODEL: lambda _key: go(View.CREATE),
        }
        self._panel = ControlPanel(texts, commands, house.kitchens.retry_worker, tell)
        self._figures = Figures(texts)
        self._fingerprint = FingerprintPanel(texts)
        self._charts = Charts(texts, ask, now_s)
        self._examples = Examples(texts, operations.predict_example, tell)
        self._inside = Inside(
            texts,
            house.inspection,
            drawing,
            operations.open,
            ask=ask,
            tell=tell,
            now_s=now_s,
        )
        self._comparison = ComparisonPanel(texts)
        self._writing = WritingPanel(texts)
        self._write_form = WriteForm(texts, self._begin)
        self._logs = LogsPanel(texts, house.logs, ask)
        self._earlier = Earlier(texts, commands, self.choose, self._compare, tell)
        self._bar = StatusBar(texts, commands, self.show, tell)
        self._herald = Herald(texts)

    def install(self) -> None:
        self._panel.install()
        self._fingerprint.install()
        self._charts.install()
        self._examples.install()
        self._inside.install()
        self._write_form.install()
        self._logs.install()
        self._earlier.install()
        self._bar.install()
        self._herald.install()

    def show(self, key: str) -> None:
        """Shows an operation, wherever in the page that was asked for."""
        self.choose(key)
        self._go(View.DASHBOARD)

    def choose(self, key: str) -> None:
        """Shows an operation of the list, for as long as no other one is chosen or begun."""
        latest = _latest(self._store.state)
        self._chosen = None if latest and latest.id == key else key
        self._ask()

    def draw_bar(self, state: State) -> None:
        """Brings up to date what stands on every view: the status bar, and the tab's title."""
        self._bar.draw(state)
        self._herald.draw(state)

    def draw(self, state: State) -> None:
        """Brings the view up to date."""
        shown = self._shown(state)
        self._written.text("waiting", waiting_line(self._texts, state.queued_count()))
        self._panel.draw(shown, state.worker)
        self._writing.draw(shown)
        self._write_form.draw(shown)
        self._comparison.draw(shown)
        trains = shown is None or TABLE[shown.kind].trains
        for name in _OF_A_TRAINING:
            self._written.shown(name, trains)
        control = "dashboard.control" if trains else "dashboard.control-text"
        self._written.text("control-title", self._texts(control))
        pixels = self._store.pictures.get(shown.id) if shown else None
        self._inside.draw(shown, pixels)
        if trains:
            self._draw_training(state, shown, pixels)
        self._logs.draw()
        self._earlier.draw(state, shown.id if shown else None)
        self._tick(shown)

    def _draw_training(self, state: State, shown: Operation | None, pixels: bytes | None) -> None:
        self._figures.draw(shown)
        self._fingerprint.draw(shown)
        self._draw_charts(state, shown)
        self._examples.draw(shown, pixels)

    def follow(self) -> None:
        """Shows what cooks from now on, because something new was asked for."""
        self._chosen = None

    def _shown(self, state: State) -> Operation | None:
        chosen = state.operations.get(self._chosen or "")
        return chosen or _latest(state)

    def _run_again(self, key: str) -> None:
        """Starts the same recipe once more, and shows that run."""
        self._operations.run_again(key)
        self.follow()
        self._ask()

    def _begin(self, recipe: object) -> None:
        """Starts what one of the panels asks for, and shows it."""
        self._tell(None)
        self._operations.start(recipe)
        self.follow()
        self._ask()

    async def _reset(self, key: str) -> None:
        """Frees what a run has left, and leads to where the next one is made."""
        await self._operations.reset(key)
        self._go(View.CREATE)

    # --- curves ------------------------------------------------------------------------

    def _draw_charts(self, state: State, shown: Operation | None) -> None:
        curves = self._curves(shown) if shown else None
        self._compared = [key for key in self._compared if key in state.operations]
        overlays: dict[str, tuple[str, Curves]] = {}
        for key in self._compared:
            operation = state.operations[key]
            theirs = self._curves(operation)
            if theirs is not None and theirs.step and operation is not shown:
                overlays[key] = name_of(self._texts, operation), theirs
        self._charts.draw(
            shown,
            curves,
            is_kept=shown is not None and shown.id in self._fetched,
            overlays=overlays,
        )

    def _curves(self, operation: Operation) -> Curves | None:
        """The curves of an operation; those of an earlier visit are fetched, once."""
        key = operation.id
        curves = self._store.curves.get(key)
        is_there = curves is not None and (curves.step or not operation.step)
        if not is_there and not operation.is_active and key not in self._fetched:
            self._fetched.add(key)
            self._tasks.start(self._fetch(key))
        return curves

    async def _fetch(self, key: str) -> None:
        try:
            await self._operations.curves(key)
            self._ask()
        except BackburnerError as error:
            self._tell(error)

    def _compare(self, key: str, wanted: bool) -> None:
        self._compared = [each for each in self._compared if each != key]
        if wanted:
            self._compared.append(key)
        self._ask()

    # --- time --------------------------------------------------------------------------

    def _tick(self, shown: Operation | None) -> None:
        """Redraws once a second while a training runs: if it stalls, its age is told."""
        if self._ticks is not None:
            self._ticks.cancel()
            self._ticks = None
        if shown is not None and shown.is_active:
            self._ticks = asyncio.get_running_loop().call_later(TICK_S, self._ask)


def _latest(state: State) -> Operation | None:
    """What cooks; else what was last begun; else what waits."""
    begun = [each for each in state.operations.values() if each.started is not None]
    return state.active() or (begun[-1] if begun else state.queued())
