"""The app room, built: every part made once and handed to those that need it.

What is outside of it (the browser's storage, locks, clock and worker) comes in as arguments, so
that the page and a test in plain CPython build the same house.
"""

from __future__ import annotations

from collections.abc import Callable

from backburner.app.drawings import Drawings
from backburner.app.hearing import Hearing
from backburner.app.inspection import Inspection
from backburner.app.kitchens import Kitchens, Launch
from backburner.app.logs import Logs
from backburner.app.operations import Operations
from backburner.app.ownership import Locks, Ownership
from backburner.app.queue import Queue
from backburner.app.records import Records, Storage
from backburner.app.recovery import Recovery
from backburner.app.startup import Startup
from backburner.app.store import Store


class House:
    """`begin` opens it; until then nothing is read, written or started.

    `later` calls a function after the present turn, `now_s` gives seconds since 1970, `new_id` a
    fresh id; the others are said by the classes that take them.
    """

    def __init__(
        self,
        *,
        launch: Launch,
        locks: Locks,
        storage: Storage,
        later: Callable[[Callable[[], None]], object],
        now_s: Callable[[], float],
        new_id: Callable[[], str],
        resumes_by_itself: Callable[[], bool],
        wanted_backend: Callable[[], str | None] = lambda: None,
        without_worker: str | None = None,
        debug: bool = False,
    ) -> None:
        self.logs = Logs(now_s)
        self.store = Store(later)
        self.kitchens = Kitchens(
            self.store, launch, self.logs, without_worker=without_worker, debug=debug
        )
        ownership = Ownership(locks)
        self.drawings = Drawings(self.store, self.kitchens, now_s=now_s, new_id=new_id)
        self.queue = Queue(
            self.store,
            self.kitchens,
            ownership,
            self.drawings,
            self.logs,
            now_s=now_s,
            wanted_backend=wanted_backend,
        )
        self.operations = Operations(
            self.store,
            self.kitchens,
            self.queue,
            ownership,
            self.drawings,
            self.logs,
            now_s=now_s,
            new_id=new_id,
        )
        self.inspection = Inspection(self.operations)
        Hearing(self.store, self.kitchens, self.queue, self.logs, now_s=now_s)
        self.records = Records(
            self.store,
            storage,
            now_s=now_s,
            is_own=self.queue.own.__contains__,
            cleared=self.operations.cleared,
        )
        self.recovery = Recovery(
            self.store,
            self.kitchens,
            self.operations,
            self.queue,
            ownership,
            self.records,
            self.logs,
            resumes_by_itself=resumes_by_itself,
        )
        self.startup = Startup(self.store, self.kitchens, self.recovery, self.queue)

    def begin(self) -> None:
        """Shows what earlier visits left, and starts the kitchen."""
        self.recovery.open()
        self.drawings.open()
        self.startup.begin()
