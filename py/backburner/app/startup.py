"""What is loaded beside the interpreter before everything can be used, each part on its own.

Python and TensorFlow.js are the kitchen's to start; the list of runs and the shipped data are
asked of it as soon as it stands. Each part has a state that the page shows, and another try.
"""

from __future__ import annotations

from backburner.app.kitchens import Kitchens
from backburner.app.queue import Queue
from backburner.app.recovery import Recovery
from backburner.app.store import Store
from backburner.app.tasks import Tasks
from backburner.core.errors import BackburnerError
from backburner.core.messages import LoadData
from backburner.core.state import PartState

DATA_TIMEOUT_S = 120.0
_NEEDS_THE_KITCHEN = ("runs", "data")


class Startup:
    """Follows the kitchen: whenever one stands, what it has to have is asked of it."""

    def __init__(self, store: Store, kitchens: Kitchens, recovery: Recovery, queue: Queue) -> None:
        self._store = store
        self._kitchens = kitchens
        self._recovery = recovery
        self._queue = queue
        self._tasks = Tasks()

    def begin(self) -> None:
        """Starts the kitchen."""
        self._kitchens.on_ready = self._load
        self._kitchens.on_given_up = self._give_up
        self._kitchens.start()

    def retry(self, name: str) -> None:
        """Another try at one part that failed; the others are left as they are."""
        match name:
            case "python" | "tensorflow":
                self._kitchens.retry_worker()
            case "runs":
                self._tasks.start(self._recovery.list_runs())
            case "data":
                self._tasks.start(self._load_data())

    def _load(self) -> None:
        for name in _NEEDS_THE_KITCHEN:
            if self._store.state.parts[name].state is not PartState.READY:
                self.retry(name)

    def _give_up(self, problem: str) -> None:
        for name in _NEEDS_THE_KITCHEN:
            if self._store.state.parts[name].state is not PartState.READY:
                self._store.move_part(name, PartState.FAILED, problem)
        # Whoever waits in the queue is to hear so, and not to wait for ever.
        self._queue.recovered.set()

    async def _load_data(self) -> None:
        self._store.move_part("data", PartState.LOADING)
        try:
            await self._kitchens.ask(LoadData(source="digits"), timeout_s=DATA_TIMEOUT_S)
            self._store.move_part("data", PartState.READY)
        except BackburnerError as error:
            self._store.move_part("data", PartState.FAILED, error.message)
