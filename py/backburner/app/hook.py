"""`window.backburner`, the automation hook: JSON in, JSON out, every method a promise.

The names and shapes are a contract (CONTRACTS.md) that teachers' links and other people's
tests lean on. A refusal rejects with a plain object `{name, message, key?}`. The page's own
views use the same commands (app/operations.py), never this.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from inspect import signature
from typing import Any

import js
from pyodide.ffi import JsProxy, create_once_callable, create_proxy, jsnull, to_js

from backburner import __version__
from backburner.app import browser
from backburner.app.bench import bench
from backburner.app.house import House
from backburner.app.inspection import look_inside
from backburner.app.tasks import Tasks
from backburner.core.errors import BackburnerError, InterfaceError, ProcessError, StorageError
from backburner.core.lifecycle import WorkerStatus
from backburner.core.operation import Operation
from backburner.core.state import State

HOOK_VERSION = 1

Method = Callable[..., Awaitable[object]]


class Hook:
    """Puts `backburner` on the window, and tells tools what happens by events."""

    def __init__(self, house: House, storage: browser.LocalStorage, *, seed: int | None) -> None:
        self._store = house.store
        self._kitchens = house.kitchens
        self._operations = house.operations
        self._inspection = house.inspection
        self._storage = storage
        self._seed = seed
        self._seen: dict[str, Operation] = {}
        self._tasks = Tasks()
        self._errors: list[dict[str, str]] = []

    def install(self) -> None:
        """Makes the hook. Its methods live as long as the page."""
        methods: dict[str, Method] = {
            "start": self._start,
            "operations": self._all,
            "operation": self._one,
            "wait": self._wait,
            "stop": self._stop,
            "pause": self._pause,
            "resume": self._resume,
            "abort": self._abort,
            "clear": self._clear,
            "history": self._history,
            "weights": self._weights,
            "predict": self._predict,
            "inspect": self._inspect,
            "bench": self._bench,
            "diagnostics": self._diagnostics,
        }
        hook = js.Object.new()
        for name, method in methods.items():
            setattr(hook, name, create_proxy(self._promising(method)))
        hook.ready = self._promising(self._ready)()
        # Whoever waits hears that the worker failed; nobody has to wait.
        hook.ready.catch(create_once_callable(lambda _refusal: None))
        js.window.backburner = js.Object.freeze(hook)
        # What earlier visits left is no news.
        self._seen = dict(self._store.state.operations)
        self._store.subscribe(self._announce)
        self._kitchens.on_problem = self._note_problem

    def announce_ready(self) -> None:
        """Tells tools that page and hook can be used."""
        _dispatch("ready", {"version": __version__, "hook": HOOK_VERSION})

    def _note_problem(self, problem: str) -> None:
        """Something is wrong with the worker, outside any operation."""
        self._note_error({"name": "WorkerError", "message": problem})

    def _note_error(self, error: dict[str, str]) -> None:
        """Keeps an error for `diagnostics`, and tells tools by an event."""
        self._errors = [*self._errors[-49:], error]
        _dispatch("error", error)

    # --- methods -----------------------------------------------------------------------

    async def _ready(self) -> object:
        facts = await self._kitchens.ready()
        browser.mark("worker")
        return {
            "version": __version__,
            "hook": HOOK_VERSION,
            "mode": self._store.state.worker.mode,
            "backend": facts.backend,
            "kernels": facts.kernels,
            "boot": {
                **browser.boot_stages(),
                **{f"worker_{stage}": ms for stage, ms in facts.stages.items()},
            },
        }

    async def _start(self, recipe: object = None) -> object:
        if isinstance(recipe, dict) and self._seed is not None:
            recipe = {"seed": self._seed, **recipe}
        first, *following = self._operations.start_chain(recipe)
        if not following:
            return {"id": first.id}
        return {"id": first.id, "then": [each.id for each in following]}

    async def _all(self) -> object:
        return [each.snapshot() for each in self._store.state.operations.values()]

    async def _one(self, key: object = None) -> object:
        return self._operations.get(_text(key)).snapshot()

    async def _wait(self, key: object = None, until: object = "completed") -> object:
        operation = await self._operations.wait(_text(key), _text(until, "until"))
        if operation.status.value != until:
            raise Ended(operation)
        return operation.snapshot()

    async def _stop(self, key: object = None) -> object:
        return (await self._operations.stop(_text(key))).snapshot()

    async def _pause(self, key: object = None) -> object:
        return (await self._operations.pause(_text(key))).snapshot()

    async def _resume(self, key: object = None) -> object:
        return (await self._operations.resume(_text(key))).snapshot()

    async def _abort(self, key: object = None) -> object:
        return (await self._operations.abort(_text(key))).snapshot()

    async def _clear(self, key: object = None) -> object:
        name = _text(key)
        await self._operations.clear(name)
        return {"cleared": name}

    async def _history(self, key: object = None) -> object:
        return (await self._operations.curves(_text(key))).as_dict()

    async def _weights(self, key: object = None) -> object:
        found = await self._operations.weights(_text(key))
        return {
            "step": found.step,
            "sha256": found.sha256,
            "tensors": [
                {"name": each.name, "shape": list(each.shape), "sha256": each.sha256}
                for each in found.tensors
            ],
        }

    async def _predict(self, key: object = None, example: object = None) -> object:
        found = await self._operations.predict(_text(key), example)
        return {
            "label": found.label,
            "confidence": found.confidence,
            "probabilities": list(found.probabilities),
        }

    async def _inspect(
        self, key: object = None, what: object = None, options: object = None
    ) -> object:
        return await look_inside(self._inspection, _text(key), what, options)

    async def _bench(self, workload: object = None, options: object = None) -> object:
        found = await bench(self._kitchens, workload, options)
        return {
            "ms_per_step": list(found.ms_per_step),
            "best_ms": list(found.best_ms),
            "steps": list(found.steps),
            "backend": found.backend,
            "kernels": found.kernels,
            "executor": found.executor,
            "phases": found.phases,
        } | ({"plan": [asdict(call) for call in found.plan]} if found.plan else {})

    async def _diagnostics(self) -> object:
        worker = self._store.state.worker
        pong = None
        if worker.status in (WorkerStatus.READY, WorkerStatus.BUSY):
            with suppress(ProcessError):
                pong = await self._kitchens.ping()
        try:
            storage: dict[str, object] = {"local_storage_bytes": self._storage.size()}
        except StorageError as error:
            storage = {"problem": error.message}
        storage |= await browser.storage_estimate()
        facts = worker.facts
        return {
            "worker_alive": pong is not None and self._kitchens.is_worker,
            "mode": worker.mode,
            "mode_reason": worker.reason,
            "worker_status": worker.status.value,
            "worker_problem": worker.problem,
            "workers_started": self._kitchens.started,
            "tensors": pong.tensors if pong else None,
            "tensor_bytes": pong.tensor_bytes if pong else None,
            "python_bytes": pong.python_bytes if pong else None,
            "models": pong.models if pong else None,
            "running": pong.running if pong else None,
            "proxies": {
                "page": browser.live_proxies() if browser.is_debugging() else None,
                "worker": pong.proxies if pong else None,
            },
            "storage": storage,
            "backend": facts.backend if facts else None,
            "kernels": facts.kernels if facts else None,
            "parts": {
                name: {"state": part.state.value, "detail": part.detail}
                for name, part in self._store.state.parts.items()
            },
            "errors": self._errors,
            "start": {
                "page": browser.boot_start(),
                "page_reason": browser.boot_reason(),
                "worker": facts.start if facts else None,
                "worker_reason": facts.reason if facts else None,
            },
            "versions": {
                "backburner": __version__,
                "python": facts.python if facts else None,
                "tensorflow": facts.tensorflow if facts else None,
            },
        }

    # --- events ------------------------------------------------------------------------

    def _announce(self, state: State) -> None:
        for gone in self._seen.keys() - state.operations.keys():
            del self._seen[gone]
        for key, operation in state.operations.items():
            before = self._seen.get(key)
            if before is operation:
                continue
            self._seen[key] = operation
            _dispatch("operation", operation.snapshot())
            fault = operation.error
            if fault is not None and (before is None or before.error is None):
                self._note_error({"operation": key, "name": fault.name, "message": fault.message})

    # --- promises ----------------------------------------------------------------------

    def _promising(self, method: Method) -> Callable[..., Any]:
        """`method` as a function that gives a JavaScript promise of JSON."""

        def call(*arguments: Any) -> Any:
            def begin(resolve: Any, reject: Any) -> None:
                self._tasks.start(_settle(method, arguments, resolve, reject))

            return js.Promise.new(create_once_callable(begin))

        return call


class Ended(BackburnerError):  # noqa: N818 - not an error of ours: the other ending of a wait
    """An operation ended in another status than the one waited for; carries its snapshot."""

    def __init__(self, operation: Operation) -> None:
        super().__init__(f"The operation ended as {operation.status.value}.")
        self.snapshot = operation.snapshot()


async def _settle(method: Method, arguments: tuple[Any, ...], resolve: Any, reject: Any) -> None:
    # As everywhere in JavaScript, what a function does not ask for is passed over.
    asked_for = len(signature(method).parameters)
    try:
        given = map(_to_python, arguments[:asked_for])
        resolve(_to_javascript(await method(*given)))
    except Ended as ended:
        reject(_to_javascript(ended.snapshot))
    except BackburnerError as error:
        reject(_to_javascript(error.as_dict()))
    except Exception as error:
        # A fault of ours must not leave the caller waiting for ever.
        reject(_to_javascript({"name": type(error).__name__, "message": str(error)}))
        raise


def _to_python(value: Any) -> object:
    """A value from JavaScript as plain Python; what is no JSON is refused further in.

    Raises InterfaceError for an object that holds itself, or is nested without end.
    """
    try:
        return _without_nulls(value.to_py() if isinstance(value, JsProxy) else value)
    except RecursionError as error:
        raise InterfaceError(
            "What was given holds itself, or is nested too deeply. Give plain JSON."
        ) from error


def _without_nulls(value: Any) -> Any:
    """JavaScript's null is an object of its own in Pyodide 314; Python's JSON has None."""
    if value is jsnull:
        return None
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value


def _to_javascript(value: object) -> Any:
    # One JSON text is several times quicker than converting nested dicts.
    return js.JSON.parse(json.dumps(value))


def _dispatch(name: str, detail: object) -> None:
    options = to_js({"detail": _to_javascript(detail)})
    js.window.dispatchEvent(js.CustomEvent.new(f"backburner:{name}", options))


def _text(value: object, key: str = "id") -> str:
    if not isinstance(value, str):
        raise InterfaceError(f"{key} must be a text, but is {value!r}.", key=key)
    return value
