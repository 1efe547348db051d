"""The browser as the app room sees it: time, address, local storage, the worker's start.

The only files of this room that speak to JavaScript are this one and hook.py. Names of `js`
are looked up when needed, never at import: the module is part of the memory snapshot that
Node makes. What scripts/boot.mjs prepared is taken over from `globalThis.backburnerBoot`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

import js
from pyodide.ffi import JsException, create_proxy, to_js

from backburner.app.kitchens import Hear
from backburner.app.tasks import Tasks
from backburner.core.errors import BackburnerError, StorageError
from backburner.core.logs import LogRecord
from backburner.core.options import LARGEST_SAFE_INTEGER


class Closable(Protocol):
    """A loop that was started."""

    def close(self) -> Coroutine[Any, Any, None]:
        """Ends it, and frees what it holds."""


Cook = Callable[[Any, str], Awaitable[Closable | None]]
"""Starts the worker's loop on a port, with settings as JSON (kitchen.py)."""


def now_s() -> float:
    """Seconds since 1970."""
    return float(js.Date.now()) / 1_000.0


def new_id() -> str:
    """An id for an operation: short enough to read aloud, unlikely enough to be the only one."""
    return f"op-{secrets.token_hex(4)}"


def parameter(name: str) -> str | None:
    """A parameter of the page's address, or None."""
    value = js.URLSearchParams.new(js.location.search).get(name)
    return str(value) if isinstance(value, str) else None


def seed_parameter() -> int | None:
    """`?seed=` as a number; None where there is none, or none that a recipe could hold."""
    text = parameter("seed")
    if text is None or not text.isdecimal() or int(text) > LARGEST_SAFE_INTEGER:
        return None
    return int(text)


def is_debugging() -> bool:
    """Whether the address (`?debug=1`) or the settings ask for the debug log."""
    return bool(js.backburnerBoot.debug)


def boot_stages() -> dict[str, float]:
    """Milliseconds from navigation to the end of each stage of the page's start."""
    stages: dict[str, float] = js.backburnerBoot.stages.to_py()
    return stages


def boot_start() -> str:
    """ "snapshot" or "plain": how the page's own interpreter started."""
    return str(js.backburnerBoot.start)


def boot_reason() -> str:
    """Why a plain start was needed; empty for a start from the snapshot."""
    return str(js.backburnerBoot.reason)


def mark(stage: str) -> None:
    """Notes that a stage of the page's start is over."""
    js.backburnerBoot.mark(stage)


def log(record: LogRecord) -> None:
    """A line in the browser's console (`?debug=1`), never as an error: those are for faults."""
    place = " ".join(filter(None, (record.source, record.operation)))
    js.console.info(f"[backburner {record.level}] {place}: {record.message}")


def count_proxies() -> None:
    """Begins to count the Python objects that JavaScript holds (`?debug=1`)."""
    import pyodide_js

    js.Error.stackTraceLimit = 0
    pyodide_js._module.enable_pyproxy_allocation_tracing()


def live_proxies() -> int:
    """How many Python objects JavaScript holds, of those made since `count_proxies`."""
    import pyodide_js

    return int(pyodide_js._module.pyproxy_alloc_map.size)


def set_page_state(name: str, value: str | None) -> None:
    """One `data-…` attribute of the document, for tests and tools (CONTRACTS.md)."""
    root = js.document.documentElement
    if value is None:
        root.removeAttribute(f"data-{name}")
    elif root.getAttribute(f"data-{name}") != value:
        root.setAttribute(f"data-{name}", value)


def site_prefix() -> str:
    """What names of storage and locks begin with: sites on one origin never meet."""
    path = str(js.location.pathname)
    return f"backburner:{path[: path.rindex('/') + 1]}:"


class LocalStorage:
    """Text by name in localStorage, named after the site's folder.

    Sites on one origin (as on GitHub Pages) never meet. Nothing that JavaScript throws leaves
    this class: a full, denied or missing storage is a StorageError.
    """

    def __init__(self) -> None:
        self._prefix = site_prefix()

    def read(self, name: str) -> str | None:
        try:
            value = js.localStorage.getItem(self._prefix + name)
        except (JsException, AttributeError) as error:
            raise _no_storage(error) from error
        return value if isinstance(value, str) else None

    def write(self, name: str, text: str) -> None:
        try:
            js.localStorage.setItem(self._prefix + name, text)
        except JsException as error:
            if error.name == "QuotaExceededError":
                raise StorageError(
                    "The browser's storage for this site is full. This run goes on, but the list "
                    "of runs is not kept up to date. Clear other data of this site to make room.",
                    detail=str(error),
                ) from error
            raise _no_storage(error) from error
        except AttributeError as error:
            raise _no_storage(error) from error

    def size(self) -> int:
        """Bytes that this site's own entries take (two for each character)."""
        try:
            names = list(js.Object.keys(js.localStorage))
        except (JsException, AttributeError) as error:
            raise _no_storage(error) from error
        own = [name for name in names if name.startswith(self._prefix)]
        return sum(2 * (len(name) + len(js.localStorage.getItem(name))) for name in own)


def _no_storage(error: Exception) -> StorageError:
    return StorageError(
        "The browser does not let this page store anything (a private window, or a setting). "
        "Everything works, but the list of runs is gone when the page is closed.",
        detail=str(error),
    )


async def storage_estimate() -> dict[str, object]:
    """What the browser says of this origin's storage; empty where it says nothing."""
    manager = getattr(js.navigator, "storage", None)
    if not manager:
        return {}
    try:
        found = await manager.estimate()
    except JsException:
        return {}
    return {"used_bytes": int(found.usage), "quota_bytes": int(found.quota)}


class WorkerHandle:
    """One started worker. Owns its port, and the two proxies that listen to it."""

    def __init__(self, started: Any, on_message: Hear, on_problem: Callable[[str], None]) -> None:
        self._started = started
        self._is_over = False
        self._listener = create_proxy(lambda event: on_message(*_content(event.data)))
        self._on_problem = create_proxy(on_problem)
        # Setting onmessage starts the port: what came before is delivered now.
        started.port.onmessage = self._listener
        started.onproblem = self._on_problem
        if started.problem:
            asyncio.get_running_loop().call_soon(on_problem, str(started.problem))

    def post(self, text: str) -> None:
        self._started.port.postMessage(to_js({"text": text, "buffers": []}))

    def terminate(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._started.worker.terminate()
        self._started.port.onmessage = None
        self._started.onproblem = None
        self._started.port.close()
        self._listener.destroy()
        self._on_problem.destroy()


class MainThreadHandle:
    """The worker's loop in this very thread, at the other end of a channel.

    `cook(port, settings)` starts the loop and gives something to `close`; it is kitchen.py's,
    handed in by the page's entry, because rooms don't import each other. Owns both ports.
    """

    def __init__(
        self,
        cook: Cook,
        generation: int,
        on_message: Hear,
        on_problem: Callable[[str], None],
    ) -> None:
        self._cook = cook
        self._generation = generation
        self._on_problem = on_problem
        channel = js.MessageChannel.new()
        self._port, self._far_port = channel.port1, channel.port2
        self._is_over = False
        self._listener = create_proxy(lambda event: on_message(*_content(event.data)))
        self._port.onmessage = self._listener
        self._loop: Closable | None = None
        self._start = asyncio.ensure_future(self._begin())
        self._tasks = Tasks()

    async def _begin(self) -> None:
        began_ms = float(js.performance.now())
        try:
            boot = js.backburnerBoot
            await boot.loadTensorFlow(boot.backend, boot.kernels)
            settings = {
                "generation": self._generation,
                "backend": str(boot.backend),
                "kernels": str(boot.kernels),
                "debug": is_debugging(),
                "folder": str(js.URL.new("./", js.document.baseURI).href),
                "boot": {
                    "stages": {"tensorflow": round(float(js.performance.now()) - began_ms)},
                    "start": boot_start(),
                    "reason": boot_reason(),
                },
            }
            loop = await self._cook(self._far_port, json.dumps(settings))
        except (JsException, BackburnerError) as error:
            self._on_problem(f"TensorFlow.js could not be started in the page: {error}")
            return
        if self._is_over and loop is not None:
            await loop.close()
        self._loop = loop

    def post(self, text: str) -> None:
        self._port.postMessage(to_js({"text": text, "buffers": []}))

    def terminate(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._port.onmessage = None
        self._listener.destroy()
        if self._loop is not None:
            self._tasks.start(self._loop.close())
        self._port.close()
        self._far_port.close()


def without_worker() -> str | None:
    """Why this page has no worker from the start; None when it has one, or tries to."""
    why = js.backburnerBoot.withoutWorker
    return str(why) if isinstance(why, str) else None


def launcher(cook: Cook) -> Callable[..., WorkerHandle | MainThreadHandle]:
    """What starts a kitchen; the first worker was started before Python was there."""

    def launch(
        mode: str, generation: int, on_message: Hear, on_problem: Callable[[str], None]
    ) -> WorkerHandle | MainThreadHandle:
        if mode == "main-thread":
            return MainThreadHandle(cook, generation, on_message, on_problem)
        boot = js.backburnerBoot
        started = boot.first if generation == 1 else boot.startKitchen(generation)
        return WorkerHandle(started, on_message, on_problem)

    return launch


def _content(data: Any) -> tuple[object, tuple[bytes, ...]]:
    text = getattr(data, "text", None)
    buffers = getattr(data, "buffers", None)
    return text, tuple(buffer.to_bytes() for buffer in buffers) if buffers is not None else ()
