"""The app room without a browser: a worker that answers as told, storage in a dict."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from backburner.app.house import House
from backburner.core.errors import StorageError
from backburner.core.messages import (
    Checkpointed,
    DataLoaded,
    Disposed,
    DrawingsChanged,
    DrawingsRead,
    Message,
    Order,
    Paused,
    Pong,
    PredictionResult,
    Resumed,
    RunCleared,
    RunsListed,
    Score,
    Stopped,
    StoredRun,
    TrainingCompleted,
)
from backburner.core.wire import Envelope, decode, encode
from tests.core.makers import model_ready, progressed, worker_ready


class FakeWorker:
    """One started worker; `answer(order)` gives the messages to send back, or None to hang."""

    def __init__(
        self, house: FakeHouse, mode: str, generation: int, heard: Any, failed: Any
    ) -> None:
        self.house = house
        self.mode = mode
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


class FakeLocks:
    """Implements app/ownership.py's Locks; `theirs` are those that another page holds."""

    def __init__(self, *, available: bool = True) -> None:
        self.available = available
        self.theirs: set[str] = set()
        self.ours: set[str] = set()

    async def take(self, name: str) -> bool:
        if name in self.theirs | self.ours:
            return False
        self.ours.add(name)
        return True

    def release(self, name: str) -> None:
        self.ours.remove(name)

    async def held_elsewhere(self) -> set[str]:
        return set(self.theirs)


class FakeHouse(House):
    """The app room with a fake worker at the other end, and fakes of what else is outside.

    With `starts` false a kitchen comes up only when the test lets it.
    """

    def __init__(
        self,
        answer: Callable[[Order], list[Message]],
        *,
        starts: bool = True,
        storage: FakeStorage | None = None,
        locks: FakeLocks | None = None,
        without_worker: str | None = None,
        resumes_by_itself: bool = True,
    ) -> None:
        self.answer: Callable[[Any], list[Message]] = answer
        self.starts = starts
        self.workers: list[FakeWorker] = []
        self.now_s = 1_000.0
        self.locks = locks or FakeLocks()
        self.storage = storage or FakeStorage()
        super().__init__(
            launch=self._launch,
            locks=self.locks,
            storage=self.storage,
            later=asyncio.get_running_loop().call_soon,
            now_s=lambda: self.now_s,
            new_id=self._new_id,
            resumes_by_itself=lambda: resumes_by_itself,
            without_worker=without_worker,
            debug=True,
        )
        self._ids = 0

    @property
    def worker(self) -> FakeWorker:
        return self.workers[-1]

    def orders(self, tag: str) -> list[Envelope]:
        """What all kitchens were asked, of one tag, in order."""
        return [
            each for worker in self.workers for each in worker.orders if each.message.tag == tag
        ]

    def _new_id(self) -> str:
        self._ids += 1
        return f"op-{self._ids}"

    def _launch(self, mode: str, generation: int, heard: Any, failed: Any) -> FakeWorker:
        worker = FakeWorker(self, mode, generation, heard, failed)
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


RECIPE = {"recipe": 1, "training": {"epochs": 10}}
DONE = TrainingCompleted(
    test=Score(loss=0.5, accuracy=0.9), guesses=(), elapsed_s=1.0, checkpoint=40
)
PONG = Pong(
    backend="wasm",
    tensors=3,
    tensor_bytes=9,
    python_bytes=9,
    proxies=None,
    models=1,
    running=0,
)


class Answers:
    """What the fake worker says to each order; a test changes what it needs."""

    def __init__(self, **changes: list[Message]) -> None:
        self.by_tag: dict[str, list[Message]] = {
            "PING": [PONG],
            "INIT_TRAINING": [model_ready()],
            "START_TRAINING": [progressed(1, 2, 3, 4), DONE],
            "STOP_TRAINING": [Stopped(step=4)],
            "PAUSE": [Paused(step=4)],
            "RESUME": [Resumed(step=4)],
            "PREDICT": [PredictionResult(label="yes", confidence=0.75, probabilities=(0.25, 0.75))],
            "DISPOSE": [Disposed()],
            "LOAD_DATA": [DataLoaded(source="digits", examples=1_797)],
            "CLEAR_RUN": [RunCleared()],
            "LIST_RUNS": [RunsListed(runs=())],
            "READ_DRAWINGS": [DrawingsRead(classes=(), drawings=())],
            "CHANGE_DRAWINGS": [DrawingsChanged()],
            **changes,
        }

    def __call__(self, order: Any) -> list[Message]:
        return self.by_tag[order.tag]


def house(
    *,
    starts: bool = True,
    storage: FakeStorage | None = None,
    locks: FakeLocks | None = None,
    kept: tuple[StoredRun, ...] = (),
    **changes: Any,
) -> FakeHouse:
    """A page that has begun. `kept` is in the worker's database; `changes` are answers by tag."""
    options = {
        name: changes.pop(name)
        for name in ("without_worker", "resumes_by_itself")
        if name in changes
    }
    answers = Answers(LIST_RUNS=[RunsListed(runs=kept)], **changes)
    home = FakeHouse(answers, starts=starts, storage=storage, locks=locks, **options)
    home.begin()
    return home


RUNNING: dict[str, list[Message]] = {"START_TRAINING": [progressed(1, 2, 3, 4)]}
"""A training that has come to step 4 and goes on."""

SAVED: dict[str, list[Message]] = {
    "START_TRAINING": [progressed(1, 2, 3, 4), Checkpointed(step=3, bytes=900, took_ms=1.0)]
}
"""The same, with a checkpoint of step 3."""


async def settled() -> None:
    """Lets everything that is ready run."""
    for _ in range(30):
        await asyncio.sleep(0)
