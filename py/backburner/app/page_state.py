"""The `data-…` attributes of the document, by which tests and tools follow the page.

`data-mode` says where trainings run. `data-worker` is about the worker itself: `starting`,
`ready` or `failed`; one that was lost and is being replaced counts as starting. When the page
does the work because the worker failed, it stays `failed`; when the address asked for no worker
(`?worker=off`), it is `ready` as soon as the page's own thread is. CONTRACTS.md fixes the names.
"""

from __future__ import annotations

from backburner.app.browser import set_page_state
from backburner.app.store import Store
from backburner.core.lifecycle import WorkerStatus
from backburner.core.state import WITHOUT_WORKER, State

_WORKER = {
    WorkerStatus.NONE: "starting",
    WorkerStatus.STARTING: "starting",
    WorkerStatus.READY: "ready",
    WorkerStatus.BUSY: "ready",
    WorkerStatus.LOST: "failed",
}


class PageState:
    """Follows the store for as long as the page lives."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def install(self) -> None:
        self._store.subscribe(self._show)
        self._show(self._store.state)

    def _show(self, state: State) -> None:
        worker = state.worker
        has_failed = worker.mode == "main-thread" and worker.reason != WITHOUT_WORKER
        if worker.status is not WorkerStatus.NONE:
            # Until something is started the address knows better (scripts/shell.js).
            set_page_state("mode", worker.mode)
        set_page_state("worker", "failed" if has_failed else _WORKER[worker.status])
        facts = worker.facts
        set_page_state("backend", state.backend)
        set_page_state("kernels", facts.kernels if facts else None)
