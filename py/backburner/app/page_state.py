"""The `data-…` attributes of the document, by which tests and tools follow the page.

`data-worker` says `starting`, `ready` or `failed`; a worker that was lost and is being
replaced counts as starting. CONTRACTS.md fixes names and values.
"""

from __future__ import annotations

from backburner.app.browser import set_page_state
from backburner.app.store import Store
from backburner.core.lifecycle import WorkerStatus
from backburner.core.state import State

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
        set_page_state("mode", "worker")
        self._store.subscribe(self._show)
        self._show(self._store.state)

    def _show(self, state: State) -> None:
        set_page_state("worker", _WORKER[state.worker.status])
        facts = state.worker.facts
        set_page_state("backend", facts.backend if facts else None)
