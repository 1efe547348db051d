"""The loop's kitchen in a browser: the port, the clock, the data files and TensorFlow.js.

The only file of the worker room that speaks to JavaScript. Names of `js` are looked up when
they are needed, never at import: this module is part of the memory snapshot that Node makes.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import js
import pyodide_js
from pyodide.ffi import JsException, create_proxy, to_js

from backburner.core.errors import DataError
from backburner.core.messages import Pong
from backburner.core.recipe import DigitsData, Recipe
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
        # Held for the worker's life, as the loop is.
        heard = create_proxy(self._on_message)
        for port in self._ports:
            port.onmessage = heard

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
    """Implements worker/loop.py's Kitchen on a JavaScript port.

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
        if debug:
            # Pyodide keeps a stack for each proxy; only their number is wanted here.
            js.Error.stackTraceLimit = 0
            pyodide_js._module.enable_pyproxy_allocation_tracing()

    def post(self, text: str, buffers: tuple[bytes, ...]) -> None:
        """Sends a text; each buffer is copied out of Python's memory once and transferred."""
        copies = [to_js(buffer).buffer for buffer in buffers]
        message = to_js({"text": text, "buffers": copies}, create_pyproxies=False)
        self._port.postMessage(message, to_js(copies))

    def clock_ms(self) -> float:
        return float(js.performance.now())

    async def turn(self) -> None:
        await self._turns.one()

    async def prepare(self, recipe: Recipe) -> Training:
        return Training.from_recipe(recipe, await self._dataset(recipe), self._tensors)

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

    async def _dataset(self, recipe: Recipe) -> Dataset:
        if not isinstance(recipe.data, DigitsData):
            return Dataset.from_inline(recipe.data)
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
