"""The worker's life and the conversation with it, as seen from the page.

One worker for the life of the page: `ensure` gives the live one, and a new one takes its place
only when it is lost or answers no ping. Generations count them; a message of an earlier
generation is dropped. Every request settles: by its answer, by a refusal, by a time-out, or by
the death of the worker.

Nothing here knows what an operation is for: reports go to whoever set `on_report`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from backburner.app.store import Store
from backburner.core.errors import ProtocolError, RequestTimeout, WorkerLost
from backburner.core.lifecycle import WorkerStatus
from backburner.core.messages import (
    ANSWERS,
    OPERATION_ENDS,
    Log,
    Order,
    Ping,
    Pong,
    Refused,
    WorkerFaulted,
    WorkerReady,
)
from backburner.core.state import WorkerMoved
from backburner.core.wire import Envelope, decode, encode

START_TIMEOUT_S = 180.0
"""A first visit on a slow line downloads 15 MB before the worker can answer."""

PING_TIMEOUT_S = 8.0
SILENCE_S = 10.0
"""How long a busy worker may say nothing before it is asked whether it lives."""

MOST_RESTARTS = 2
"""Automatic restarts in a row; a worker that came up ends the row."""


class Handle(Protocol):
    """One started worker, alive or not (app/browser.py; a fake in tests)."""

    def post(self, text: str) -> None:
        """Sends a text to the worker."""

    def terminate(self) -> None:
        """Ends the worker at once. Twice is as good as once."""


Launch = Callable[[int, Callable[[object, tuple[Any, ...]], None], Callable[[str], None]], Handle]
"""`launch(generation, on_message, on_problem)` starts a worker."""


@dataclass(slots=True)
class Pending:
    """A request that waits for its answer."""

    order: Order
    operation: str | None
    future: asyncio.Future[Envelope]


class Kitchens:
    """Starts, asks, pings and replaces the worker."""

    def __init__(self, store: Store, launch: Launch) -> None:
        self._store = store
        self._launch = launch
        self._handle: Handle | None = None
        self._generation = 0
        self._requests = 0
        self._restarts = 0
        self._pending: dict[str, Pending] = {}
        self._ready: asyncio.Future[WorkerReady] | None = None
        self._heard = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._patience: asyncio.TimerHandle | None = None
        self.on_report: Callable[[Envelope], None] = lambda envelope: None
        self.on_problem: Callable[[str], None] = lambda problem: None
        self.on_log: Callable[[str, str], None] = lambda level, text: None

    @property
    def started(self) -> int:
        """How many workers were started since the page loaded."""
        return self._generation

    # --- its life ----------------------------------------------------------------------

    def start(self) -> None:
        """Starts a worker unless one is alive or starting."""
        if self._handle is not None:
            return
        self._generation += 1
        generation = self._generation
        self._ready = asyncio.get_running_loop().create_future()
        # Nobody may be waiting when it fails; the state says so all the same.
        self._ready.add_done_callback(lambda future: future.exception())
        self._store.dispatch(WorkerMoved(status=WorkerStatus.STARTING, generation=generation))
        self._handle = self._launch(
            generation,
            lambda text, buffers: self._receive(generation, text, buffers),
            lambda problem: self._lose(generation, problem),
        )
        self._patience = asyncio.get_running_loop().call_later(
            START_TIMEOUT_S,
            lambda: self._lose(generation, f"The worker did not start in {START_TIMEOUT_S:.0f} s."),
        )

    async def ready(self) -> WorkerReady:
        """Waits for the worker, starting one if there is none. Raises WorkerLost."""
        self.start()
        assert self._ready is not None
        return await asyncio.shield(self._ready)

    async def ensure(self) -> WorkerReady:
        """The live worker: pinged, and replaced if it does not answer. Raises WorkerLost."""
        facts = await self.ready()
        try:
            await self.ask(Ping(), timeout_s=PING_TIMEOUT_S)
        except RequestTimeout:
            self._lose(self._generation, "The worker did not answer a ping, so it was replaced.")
            return await self.ready()
        return facts

    async def ping(self) -> Pong:
        """How the worker is doing; starts none. Raises RequestTimeout or WorkerLost."""
        if self._handle is not None:
            await self.ready()
        answer = await self.ask(Ping(), timeout_s=PING_TIMEOUT_S)
        assert isinstance(answer.message, Pong)
        return answer.message

    # --- the conversation --------------------------------------------------------------

    async def ask(
        self, order: Order, *, operation: str | None = None, timeout_s: float | None
    ) -> Envelope:
        """Sends an order and gives its answer.

        `timeout_s` None waits as long as the worker lives. Raises what the worker refused
        with, RequestTimeout, or WorkerLost.
        """
        if self._handle is None:
            raise WorkerLost("There is no worker at the moment. Try again when it has started.")
        self._requests += 1
        request = f"r{self._requests}"
        future: asyncio.Future[Envelope] = asyncio.get_running_loop().create_future()
        self._pending[request] = Pending(order=order, operation=operation, future=future)
        envelope = Envelope(
            message=order, generation=self._generation, request=request, operation=operation
        )
        try:
            self._handle.post(encode(envelope))
            if timeout_s is None:
                self._watch_over()
                return await future
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError as error:
            raise RequestTimeout(
                f"The worker gave no answer to {order.tag} in {timeout_s:.0f} s. It may be busy "
                "with one very large batch, or it hangs; it is replaced if it stays silent.",
                detail=request,
            ) from error
        finally:
            self._pending.pop(request, None)

    def _receive(self, generation: int, text: object, buffers: tuple[Any, ...]) -> None:
        if generation != self._generation or self._handle is None:
            self.on_log("debug", f"dropped a late message of worker {generation}")
            return
        try:
            envelope = decode(text, buffers)
        except ProtocolError as error:
            self.on_log("error", f"dropped a message that does not fit: {error}")
            return
        if envelope.generation != generation:
            self.on_log("error", f"dropped a message that names worker {envelope.generation}")
            return
        self._heard.set()
        match envelope.message:
            case WorkerReady() as facts:
                self._on_ready(facts)
            case WorkerFaulted(message=problem, starting=True):
                self._lose(generation, problem)
            case WorkerFaulted(message=problem):
                self.on_problem(problem)
            case Log(level=level, text=said):
                self.on_log(level, said)
            case _:
                self.on_report(envelope)
                self._settle(envelope)

    def _on_ready(self, facts: WorkerReady) -> None:
        self._restarts = 0
        if self._patience is not None:
            self._patience.cancel()
        self._store.dispatch(
            WorkerMoved(status=WorkerStatus.READY, generation=self._generation, facts=facts)
        )
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(facts)

    def _settle(self, envelope: Envelope) -> None:
        message = envelope.message
        for request, pending in list(self._pending.items()):
            if pending.future.done():
                continue
            own = request == envelope.request
            if own and isinstance(message, Refused):
                pending.future.set_exception(message.error.as_error())
            elif (own and isinstance(message, ANSWERS[type(pending.order)])) or (
                # However a training ends, whoever started it hears.
                envelope.operation is not None
                and pending.operation == envelope.operation
                and isinstance(message, OPERATION_ENDS)
                and ANSWERS[type(pending.order)] == OPERATION_ENDS
            ):
                pending.future.set_result(envelope)

    # --- death -------------------------------------------------------------------------

    def _lose(self, generation: int, problem: str) -> None:
        """The worker is gone or given up; a new one is started, but not for ever."""
        if generation != self._generation or self._handle is None:
            return
        self._end_handle()
        self._store.dispatch(
            WorkerMoved(status=WorkerStatus.LOST, generation=generation, problem=problem)
        )
        self._fail_pending(problem)
        self.on_problem(problem)
        ready = self._ready
        if self._restarts < MOST_RESTARTS:
            self._restarts += 1
            self.start()
            if ready is not None and not ready.done() and self._ready is not None:
                # Whoever waited for the first waits for the next.
                self._ready.add_done_callback(lambda after: _pass_on(after, ready))
        elif ready is not None and not ready.done():
            ready.set_exception(_lost(problem))

    def _end_handle(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._handle is not None:
            self._handle.terminate()
            self._handle = None

    def _fail_pending(self, problem: str) -> None:
        for pending in self._pending.values():
            if not pending.future.done():
                pending.future.set_exception(_lost(problem))

    def _watch_over(self) -> None:
        if self._watch is None or self._watch.done():
            self._watch = asyncio.ensure_future(self._listen_for_silence(self._generation))

    async def _listen_for_silence(self, generation: int) -> None:
        """While a long request is open: a worker that says nothing is asked, then replaced."""
        while any(ANSWERS[type(each.order)] == OPERATION_ENDS for each in self._pending.values()):
            self._heard.clear()
            try:
                async with asyncio.timeout(SILENCE_S):
                    await self._heard.wait()
                continue
            except TimeoutError:
                pass
            try:
                await self.ask(Ping(), timeout_s=PING_TIMEOUT_S)
            except RequestTimeout:
                self._watch = None
                self._lose(generation, "The worker stopped answering, so it was replaced.")
                return


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
        f"The worker is gone: {problem} What it had not saved is lost; start the training again.",
        detail=problem,
    )
