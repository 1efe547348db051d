"""The worker's life and the conversation with it, as seen from the page.

One kitchen at a time: a worker for the life of the page, or, when there is none to be had, the
same loop in the page's own thread. `ensure` gives the live one. A worker that is lost while
it is idle is replaced by a new one; one that does not start, or is lost in the middle of an
operation, is followed by the main thread, and that by nothing: there is no loop of restarts.
One that was lost on a graphics card is replaced, too: the card is at fault (app/queue.py drops it).
Only `retry_worker`, which a person asks for, leads from there to a worker again.

Generations count the kitchens; a message of an earlier one is dropped. Every request settles:
by its answer, by a refusal, by a time-out, or by the death of the kitchen.

Nothing here knows what an operation is for: reports go to whoever set `on_report`. `on_ready`
hears of each kitchen that stands, `on_given_up` when none follows a lost one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from backburner.app.conversation import Conversation, takes_long
from backburner.app.logs import Logs
from backburner.app.store import Store
from backburner.core.backends import GPU
from backburner.core.errors import ProtocolError, RequestTimeout, WorkerLost
from backburner.core.lifecycle import WorkerStatus
from backburner.core.logs import LEVELS, Level
from backburner.core.messages import (
    Log,
    Order,
    PartReported,
    Ping,
    Pong,
    WorkerFaulted,
    WorkerReady,
)
from backburner.core.state import PartState, WorkerMoved
from backburner.core.wire import Envelope, decode

START_TIMEOUT_S = 180.0
"""A first visit on a slow line downloads 15 MB before the worker can answer."""

PING_TIMEOUT_S = 5.0
SILENCE_S = 5.0
"""How long a busy worker may say nothing before it is asked whether it lives."""

LONG_STEPS = 20.0
"""A kitchen whose steps are long answers between two of them: it is given this many steps' time."""

FIRST_STEP_S = 30.0
"""The first step prepares a lot, and how long a step takes is not known before."""

SLEPT_S = 3.0
"""A time-out that fires so much too late says that this thread slept, and nothing of the worker."""

MOST_RESTARTS = 2
"""How many workers in a row may be lost before one comes up; one that does ends the row."""

WORKER, MAIN_THREAD = "worker", "main-thread"


class Handle(Protocol):
    """One started kitchen, alive or not (app/browser.py; a fake in tests)."""

    def post(self, text: str) -> None:
        """Sends a text to the kitchen."""

    def terminate(self) -> None:
        """Ends the kitchen at once. Twice is as good as once."""


Hear = Callable[[object, tuple[Any, ...]], None]
Launch = Callable[[str, int, Hear, Callable[[str], None]], Handle]
"""`launch(mode, generation, on_message, on_problem)` starts a kitchen."""


class Kitchens:
    """Starts, asks, pings and replaces the kitchen.

    `without_worker` says why there can be no worker from the start ("off" when the address
    asked for that); None tries one.
    """

    def __init__(
        self,
        store: Store,
        launch: Launch,
        logs: Logs,
        *,
        without_worker: str | None = None,
        debug: bool = False,
    ) -> None:
        self._store = store
        self._launch = launch
        self._logs = logs
        self._debug = debug
        self._mode = WORKER if without_worker is None else MAIN_THREAD
        self._reason = without_worker
        self._handle: Handle | None = None
        self._generation = 0
        self._workers = 0
        self._restarts = 0
        self._conversation = Conversation()
        self._ready: asyncio.Future[WorkerReady] | None = None
        self._heard = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._patience: asyncio.TimerHandle | None = None
        self.on_report: Callable[[Envelope], None] = lambda envelope: None
        self.on_problem: Callable[[str], None] = lambda problem: None
        self.on_ready: Callable[[], None] = lambda: None
        self.on_given_up: Callable[[str], None] = lambda problem: None

    @property
    def started(self) -> int:
        """How many workers were started since the page loaded."""
        return self._workers

    @property
    def is_worker(self) -> bool:
        """Whether the kitchen is a worker, and not the page's own thread."""
        return self._mode == WORKER

    # --- its life ----------------------------------------------------------------------

    def start(self) -> None:
        """Starts a kitchen unless one is alive or starting."""
        if self._handle is not None:
            return
        self._generation += 1
        self._workers += self.is_worker
        generation = self._generation
        self._ready = asyncio.get_running_loop().create_future()
        # Nobody may be waiting when it fails; the state says so all the same.
        self._ready.add_done_callback(lambda future: future.exception())
        self._move(WorkerStatus.STARTING)
        # In the page's own thread Python is there already: it is what runs this.
        self._store.move_part("python", PartState.LOADING if self.is_worker else PartState.READY)
        self._store.move_part("tensorflow", PartState.LOADING)
        self._logs.add("debug", f"starting kitchen {generation} ({self._mode})")
        self._handle = self._launch(
            self._mode,
            generation,
            lambda text, buffers: self._receive(generation, text, buffers),
            lambda problem: self._lose(generation, problem),
        )
        self._patience = asyncio.get_running_loop().call_later(
            START_TIMEOUT_S,
            lambda: self._lose(generation, f"It did not start in {START_TIMEOUT_S:.0f} s."),
        )

    async def ready(self) -> WorkerReady:
        """Waits for the kitchen, starting one if there is none. Raises WorkerLost."""
        self.start()
        assert self._ready is not None
        return await asyncio.shield(self._ready)

    async def ensure(self) -> WorkerReady:
        """The live kitchen: pinged, and replaced if it does not answer. Raises WorkerLost."""
        facts = await self.ready()
        try:
            if await self._answers():
                return facts
            self._lose(self._generation, "It did not answer a ping, so it was replaced.")
        except WorkerLost:
            pass  # while it was asked; what follows it is starting
        return await self.ready()

    async def ping(self) -> Pong:
        """How the kitchen is doing; starts none. Raises RequestTimeout or WorkerLost."""
        if self._handle is not None:
            await self.ready()
        answer = await self.ask(Ping(), timeout_s=PING_TIMEOUT_S)
        assert isinstance(answer.message, Pong)
        return answer.message

    def retry_worker(self) -> None:
        """Starts a worker in place of whatever is there: somebody asked for another try."""
        if self._handle is not None:
            self._end_handle()
            self._move(WorkerStatus.LOST, problem="replaced by another try")
            self._conversation.fail(_lost("It was replaced, as was asked for."))
        self._mode, self._reason, self._restarts = WORKER, None, 0
        self.start()

    def fall_back(self, problem: str) -> None:
        """Gives the worker up: what it was asked failed in a way that another may survive."""
        if self.is_worker:
            self._lose(self._generation, problem, gives_up=True)

    # --- the conversation --------------------------------------------------------------

    async def ask(
        self, order: Order, *, operation: str | None = None, timeout_s: float | None
    ) -> Envelope:
        """Sends an order and gives its answer.

        `timeout_s` None waits as long as the kitchen lives. Raises what the order was refused
        with, RequestTimeout, or WorkerLost.
        """
        if self._handle is None:
            raise WorkerLost("There is no worker at the moment. Try again when it has started.")
        if self._debug:
            self._logs.add("debug", f"sent {order.tag}", operation=operation)
        if takes_long(order):
            self._watch_over()
        return await self._conversation.ask(
            order,
            operation=operation,
            generation=self._generation,
            timeout_s=timeout_s,
            post=self._handle.post,
        )

    def _receive(self, generation: int, text: object, buffers: tuple[Any, ...]) -> None:
        if generation != self._generation or self._handle is None:
            self._logs.add("debug", f"dropped a late message of kitchen {generation}")
            return
        try:
            envelope = decode(text, buffers)
        except ProtocolError as error:
            self._logs.add("error", f"dropped a message that does not fit: {error}")
            return
        if envelope.generation != generation:
            self._logs.add("error", f"dropped a message that names kitchen {envelope.generation}")
            return
        self._heard.set()
        if self._debug and not isinstance(envelope.message, Log):
            self._logs.add("debug", f"heard {envelope.message.tag}", operation=envelope.operation)
        match envelope.message:
            case WorkerReady() as facts:
                self._on_ready(facts)
            case PartReported(part=name, state=state, detail=detail):
                self._store.move_part(name, PartState(state), detail)
            case WorkerFaulted(message=problem, starting=True):
                self._lose(generation, problem)
            case WorkerFaulted(message=problem):
                self._logs.add("error", problem, source="worker")
                self.on_problem(problem)
            case Log(level=level, text=said):
                known: Level = next((each for each in LEVELS if each == level), "info")
                self._logs.add(known, said, source="worker", operation=envelope.operation)
            case _:
                self.on_report(envelope)
                self._conversation.settle(envelope)

    def _on_ready(self, facts: WorkerReady) -> None:
        self._restarts = 0
        if self._patience is not None:
            self._patience.cancel()
        self._move(WorkerStatus.READY, facts=facts)
        for name in ("python", "tensorflow"):
            self._store.move_part(name, PartState.READY)
        stages = ", ".join(f"{stage} {ms} ms" for stage, ms in facts.stages.items())
        self._logs.add(
            "info",
            f"kitchen {self._generation} is ready ({self._mode}): backend {facts.backend}, "
            f"kernels {facts.kernels}, started from {facts.start}; {stages}",
        )
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(facts)
        self.on_ready()

    # --- death -------------------------------------------------------------------------

    def _lose(self, generation: int, problem: str, *, gives_up: bool = False) -> None:
        """The kitchen is gone or given up; what follows it is said in the module's docstring."""
        if generation != self._generation or self._handle is None:
            return
        status = self._store.state.worker.status
        was_starting, was_busy = status is WorkerStatus.STARTING, status is WorkerStatus.BUSY
        was_busy = was_busy and not self._is_on_a_card()
        self._end_handle()
        self._move(WorkerStatus.LOST, problem=problem)
        self._fail_parts(problem)
        self._logs.add("error", f"kitchen {generation} ({self._mode}) was lost: {problem}")
        self._conversation.fail(_lost(problem))
        self.on_problem(problem)
        ready = self._ready
        if self._may_follow(problem, gives_up=gives_up or was_starting or was_busy):
            self.start()
            if ready is not None and not ready.done() and self._ready is not None:
                # Whoever waited for the first waits for the next.
                self._ready.add_done_callback(lambda after: _pass_on(after, ready))
            return
        if ready is not None and not ready.done():
            ready.set_exception(_lost(problem))
        self.on_given_up(problem)

    def _may_follow(self, problem: str, *, gives_up: bool) -> bool:
        """Whether another kitchen takes the place of the lost one; decides which."""
        if not self.is_worker:
            return False
        self._restarts += 1
        if gives_up or self._restarts > MOST_RESTARTS:
            self._mode, self._reason = MAIN_THREAD, problem
        return True

    def _is_on_a_card(self) -> bool:
        """Whether what is under way computes, or is tried, on a graphics card."""
        operation = self._store.state.active()
        return operation is not None and operation.computes_on in GPU

    def _end_handle(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._handle is not None:
            self._handle.terminate()
            self._handle = None

    def _watch_over(self) -> None:
        # In the page's own thread a loop that hangs would keep this from noticing, too.
        if self.is_worker and (self._watch is None or self._watch.done()):
            self._watch = asyncio.ensure_future(self._listen_for_silence(self._generation))

    async def _listen_for_silence(self, generation: int) -> None:
        """While a long request is open: a worker that says nothing is asked, then given up."""
        while self._conversation.has_long_request:
            self._heard.clear()
            try:
                async with asyncio.timeout(self._patience_s(SILENCE_S)):
                    await self._heard.wait()
                continue
            except TimeoutError:
                pass
            if not await self._answers():
                self._watch = None
                self._lose(generation, "It stopped answering.")
                return

    async def _answers(self) -> bool:
        """Whether the kitchen answers a ping; asked again when this thread itself slept."""
        clock = asyncio.get_running_loop().time
        for _ in range(3):
            asked_s, patience_s = clock(), self._patience_s(PING_TIMEOUT_S)
            try:
                await self.ask(Ping(), timeout_s=patience_s)
                return True
            except RequestTimeout:
                if clock() - asked_s < patience_s + SLEPT_S:
                    return False
        return False

    def _patience_s(self, least_s: float) -> float:
        """How long the kitchen may say nothing: longer while it makes long steps."""
        operation = self._store.state.active()
        if operation is not None and operation.trying is not None:
            return max(least_s, FIRST_STEP_S)
        if operation is None or operation.model is None:
            return least_s
        if operation.progress is None:
            return max(least_s, FIRST_STEP_S)
        return max(least_s, LONG_STEPS * operation.progress.ms_per_step / 1_000)

    # --- what the state says -----------------------------------------------------------

    def _move(
        self, status: WorkerStatus, facts: WorkerReady | None = None, problem: str | None = None
    ) -> None:
        self._store.dispatch(
            WorkerMoved(
                status=status,
                generation=self._generation,
                mode=self._mode,
                reason=self._reason,
                facts=facts,
                problem=problem,
            )
        )

    def is_busy(self, busy: bool) -> None:
        """Notes whether an operation is under way in the kitchen."""
        if self._store.state.worker.status in (WorkerStatus.READY, WorkerStatus.BUSY):
            self._move(WorkerStatus.BUSY if busy else WorkerStatus.READY)

    def _fail_parts(self, problem: str) -> None:
        """The part that failed has said so itself; if none has, it is one of those that loaded."""
        parts = {name: self._store.state.parts[name].state for name in ("python", "tensorflow")}
        is_named = PartState.FAILED in parts.values()
        for name, state in parts.items():
            if state is PartState.LOADING:
                after = PartState.WAITING if is_named else PartState.FAILED
                self._store.move_part(name, after, "" if is_named else problem)


def _pass_on(after: asyncio.Future[WorkerReady], waiting: asyncio.Future[WorkerReady]) -> None:
    if waiting.done():
        return
    error = after.exception()
    if error is not None:
        waiting.set_exception(error)
    else:
        waiting.set_result(after.result())


def _lost(problem: str) -> WorkerLost:
    return WorkerLost(
        f"The worker is gone: {problem} What was saved of its runs is safe, and a run goes on "
        "from its last checkpoint.",
        detail=problem,
    )
