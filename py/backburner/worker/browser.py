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
from pyodide.ffi import JsException, to_js

from backburner.core.errors import DataError
from backburner.core.messages import Pong
from backburner.core.recipe import DigitsData, Recipe
from backburner.engine.data import Dataset
from backburner.engine.tensors import Tensors
from backburner.engine.training import Training


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
        # Not a timer: those fall to one a second in a hidden page, should the loop live there.
        await asyncio.sleep(0)

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
