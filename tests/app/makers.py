"""The app room without a browser: a worker that answers as told, storage in a dict."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from backburner.app.kitchens import Kitchens
from backburner.app.operations import Operations
from backburner.app.store import Store
from backburner.core.errors import StorageError
from backburner.core.messages import Message, Order
from backburner.core.wire import Envelope, decode, encode
from tests.core.makers import worker_ready


class FakeWorker:
    """One started worker; `answer(order)` gives the messages to send back, or None to hang."""

    def __init__(self, house: FakeHouse, generation: int, heard: Any, failed: Any) -> None:
        self.house = house
        self.generation = generation
        self.heard: Callable[[object, tuple[Any, ...]], None] = heard
        self.failed: Callable[[str], None] = failed
        self.alive = True
        self.orders: list[Envelope] = []

    def post(self, text: str) -> None:
        envelope = decode(text)
        self.orders.append(envelope)
        for message in self.house.answer(envelope.message):
            self.say(message, envelope)

    def say(self, message: Message, to: Envelope | None = None, *buffers: bytes) -> None:
        sent = Envelope(
            message=message,
            generation=self.generation,
            request=to.request if to else None,
            operation=to.operation if to else None,
        )
        text = encode(sent)
        asyncio.get_running_loop().call_soon(self.heard, text, buffers)

    def terminate(self) -> None:
        self.alive = False


class FakeHouse:
    """Everything of the app room joined, with a fake worker at the other end."""

    def __init__(self, answer: Callable[[Order], list[Message]], *, starts: bool = True) -> None:
        self.answer: Callable[[Any], list[Message]] = answer
        self.starts = starts
        self.workers: list[FakeWorker] = []
        self.now_s = 1_000.0
        self.store = Store(asyncio.get_running_loop().call_soon)
        self.kitchens = Kitchens(self.store, self._launch)
        self._ids = 0
        self.operations = Operations(
            self.store, self.kitchens, now_s=lambda: self.now_s, new_id=self._new_id
        )

    @property
    def worker(self) -> FakeWorker:
        return self.workers[-1]

    def _new_id(self) -> str:
        self._ids += 1
        return f"op-{self._ids}"

    def _launch(self, generation: int, heard: Any, failed: Any) -> FakeWorker:
        worker = FakeWorker(self, generation, heard, failed)
        self.workers.append(worker)
        if self.starts:
            worker.say(worker_ready())
        return worker


class FakeStorage:
    """Implements app/records.py's Storage; the n-th call from now fails if told to."""

    def __init__(self, **texts: str) -> None:
        self.texts = dict(texts)
        self.writes = 0
        self.fails_in = 0

    def read(self, name: str) -> str | None:
        self._count()
        return self.texts.get(name)

    def write(self, name: str, text: str) -> None:
        self._count()
        self.texts[name] = text
        self.writes += 1

    def _count(self) -> None:
        self.fails_in -= 1
        if self.fails_in == 0:
            raise StorageError("The browser's storage for this site is full.")


async def settled() -> None:
    """Lets everything that is ready run."""
    for _ in range(30):
        await asyncio.sleep(0)
