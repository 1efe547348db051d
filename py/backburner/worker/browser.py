"""The loop's kitchen in a browser: the port, the clocks, the data files and TensorFlow.js.

Names of `js` are looked up when
they are needed, never at import: this module is part of the memory snapshot that Node makes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import js
import pyodide_js
from pyodide.ffi import JsException, create_proxy, to_js

from backburner.core.errors import DataError
from backburner.core.messages import Pong
from backburner.core.recipe import DigitsData, InlineData, Recipe
from backburner.engine.data import Dataset
from backburner.engine.tensors import Tensors
from backburner.engine.training import Training


class Turns:
    """Gives way to everything that waits in this thread, messages on other ports included.

    Not by a timer: timers fall to one a second in a hidden page, should the loop live there, and
    to one in 4 ms elsewhere. Not by `asyncio.sleep(0)` alone: that is a message on a port of
    Pyodide's, and Chromium delivers what a port has got, and what it gets meanwhile, before it
    looks at another port; a training that slept so kept a PING waiting for a hundred batches.
    So the two ends of a channel take turns: each finds its port empty after one message.
    """

    def __init__(self) -> None:
        channel = js.MessageChannel.new()
        self._ports = [channel.port1, channel.port2]
        self._waiting: list[asyncio.Future[None]] = []
        self._heard = create_proxy(self._on_message)
        for port in self._ports:
            port.onmessage = self._heard

    def close(self) -> None:
        """Nobody is woken any more."""
        for port in self._ports:
            port.onmessage = None
            port.close()
        self._heard.destroy()

    async def one(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._ports[0].postMessage(0)
        self._ports.reverse()
        await future

    def _on_message(self, _event: Any) -> None:
        future = self._waiting.pop(0)
        if not future.done():
            future.set_result(None)


class BrowserKitchen:
    """Implements worker/kitchen.py's Kitchen on a JavaScript port.

    `folder` is the address of the site's root, from which the data files are fetched. With
    `debug` the Python objects that JavaScript holds are counted, at a small cost for each.
    """

    def __init__(self, port: Any, tensors: Tensors, *, folder: str, debug: bool) -> None:
        self._port = port
        self._tensors = tensors
        self._folder = folder
        self._debug = debug
        self._digits: Dataset | None = None
        self._turns = Turns()
        self._listener: Any = None
        self._is_closed = False
        if debug:
            # Pyodide keeps a stack for each proxy; only their number is wanted here.
            js.Error.stackTraceLimit = 0
            pyodide_js._module.enable_pyproxy_allocation_tracing()

    @property
    def backend(self) -> str:
        return self._tensors.backend

    @property
    def kernels(self) -> str:
        return "stock"

    def listen(self, receive: Callable[[object, tuple[Any, ...]], None]) -> None:
        """Hands what arrives to `receive`; what came before is delivered now."""
        self._listener = create_proxy(lambda event: receive(*_content(event.data)))
        self._port.onmessage = self._listener

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._port.onmessage = None
        self._port.close()
        self._turns.close()
        if self._listener is not None:
            self._listener.destroy()

    def post(self, text: str, buffers: tuple[bytes, ...]) -> None:
        """Sends a text; each buffer is copied out of Python's memory once and transferred."""
        copies = [to_js(buffer).buffer for buffer in buffers]
        message = to_js({"text": text, "buffers": copies}, create_pyproxies=False)
        self._port.postMessage(message, to_js(copies))

    def clock_ms(self) -> float:
        return float(js.performance.now())

    def now_s(self) -> float:
        return float(js.Date.now()) / 1_000.0

    async def turn(self) -> None:
        await self._turns.one()

    async def prepare(self, recipe: Recipe, data: Dataset | None = None) -> Training:
        return Training.from_recipe(recipe, data or await self._dataset(recipe), self._tensors)

    def vitals(self, *, models: int, running: int) -> Pong:
        memory = self._tensors.memory()
        return Pong(
            backend=self._tensors.backend,
            tensors=memory["tensors"],
            tensor_bytes=memory["bytes"],
            python_bytes=int(pyodide_js._module.HEAPU8.length),
            proxies=int(pyodide_js._module.pyproxy_alloc_map.size) if self._debug else None,
            models=models,
            running=running,
        )

    async def load(self, source: str) -> int:
        if source != DigitsData.source:
            raise DataError(
                f"The site ships no data called {source!r}, so there is nothing to load.",
                key="data.source",
            )
        return len(await self._load_digits())

    async def _dataset(self, recipe: Recipe) -> Dataset:
        if isinstance(recipe.data, InlineData):
            return Dataset.from_inline(recipe.data)
        assert isinstance(recipe.data, DigitsData)
        return await self._load_digits()

    async def _load_digits(self) -> Dataset:
        if self._digits is None:
            description, binary = await asyncio.gather(
                self._fetch("data/digits.json"), self._fetch("data/digits.bin")
            )
            self._digits = Dataset.from_digits(binary, json.loads(description))
        return self._digits

    async def _fetch(self, path: str) -> bytes:
        try:
            reply = await js.fetch(self._folder + path)
            if not reply.ok:
                raise DataError(
                    f"{path} could not be loaded (the server answered {reply.status}). "
                    "Is the whole site folder on the server? Reload the page to try again.",
                    key=path,
                )
            return bytes((await reply.arrayBuffer()).to_bytes())
        except JsException as error:
            raise DataError(
                f"{path} could not be loaded. Is the server still running, or the network "
                "there? Reload the page to try again.",
                key=path,
                detail=str(error),
            ) from error


def database_name(folder: str) -> str:
    """Named after the site's path, so that sites on one origin (GitHub Pages) never meet."""
    return f"backburner:{js.URL.new(folder).pathname}:kitchen"


def _content(data: Any) -> tuple[object, tuple[Any, ...]]:
    """Text and buffers of what a port delivered, whatever it is: the loop refuses the rest."""
    text = getattr(data, "text", data)
    try:
        return text, tuple(getattr(data, "buffers", ()))
    except TypeError:
        return text, ()
