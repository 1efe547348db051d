"""The loop's kitchen in a browser: the port, the clocks, the data files and TensorFlow.js.

Names of `js` are looked up when they are needed, never at import: this module is part of the
memory snapshot that Node makes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import js
import pyodide_js
from pyodide.ffi import JsException, create_proxy, to_js

from backburner.core.data_sources import DigitsData, NoiseData
from backburner.core.errors import BackendError, DataError
from backburner.core.fine_tuning import Base
from backburner.core.images_data import ImagesData
from backburner.core.inline_data import InlineData
from backburner.core.kinds import TrainingRecipes
from backburner.core.messages import Pong
from backburner.core.shapes_data import ShapesData
from backburner.core.text_data import TextData
from backburner.engine.canary import check_canary
from backburner.engine.data import Dataset, shipped_text
from backburner.engine.kernels import Kernels
from backburner.engine.registered import register
from backburner.engine.safetensors import Numbers
from backburner.engine.sampling import Sampler
from backburner.engine.shapes import draw_shapes
from backburner.engine.task import Start, Task
from backburner.engine.tensors import Tensors
from backburner.engine.training import Training, needed_bytes
from backburner.worker.decoding import Decoder
from backburner.worker.ingredients import task_of

PICTURES_AT_ONCE = 5
"""That many shapes are drawn in about 15 ms."""


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

    `folder` is the address of the site's root, from which the data files are fetched. `warn` hears
    what is not as it should be. With `debug` the Python objects that JavaScript holds are counted,
    at a small cost for each.
    """

    def __init__(
        self,
        port: Any,
        tensors: Tensors,
        *,
        backend: str,
        folder: str,
        warn: Callable[[str], None],
        debug: bool,
    ) -> None:
        self.backend = backend
        self._port = port
        self._tensors = tensors
        self._folder = folder
        self._warn = warn
        self._debug = debug
        self._digits: Dataset | None = None
        self._text: str | None = None
        self._kernels: Kernels | None = None
        self._kernels_loading: asyncio.Task[None] | None = None
        self._turns = Turns()
        self._listener: Any = None
        self._is_closed = False
        if debug:
            # Pyodide keeps a stack for each proxy; only their number is wanted here.
            js.Error.stackTraceLimit = 0
            pyodide_js._module.enable_pyproxy_allocation_tracing()

    @property
    def kernels(self) -> str:
        return self._kernels.variant if self._kernels else "stock"

    async def load_kernels(self) -> None:
        """Takes over the kernels that scripts/kernels.mjs has compiled, for the wasm backend.

        They have to know their sums first, or TensorFlow.js's own go on in their places. Once for
        all who ask; who comes meanwhile waits, and whoever goes away lets the others have them.
        Warns when they are not the ones that were wanted. Without any the engine computes with
        what TensorFlow.js brings.
        """
        if self._kernels_loading is None:
            self._kernels_loading = asyncio.ensure_future(self._take_kernels())
        await asyncio.shield(self._kernels_loading)

    async def _take_kernels(self) -> None:
        reason = await self._try_kernels()
        if reason:
            self._warn(f"kernels {self.kernels} instead of others: {reason}")

    async def _try_kernels(self) -> str:
        """Gives the reason when they are not the ones that were wanted, else ""."""
        found = js.backburnerKernels
        if found.variant == "stock":
            return str(found.reason)
        try:
            tensors = self._tensors.on("wasm")
            kernels = await Kernels.load(tensors, found.module, found.variant)
            register(tensors, kernels)
        except BackendError as error:
            return f"{found.variant}: {error.detail or error.message}"
        try:
            await check_canary(tensors, kernels)
        except BackendError as error:
            kernels.are_withdrawn = True
            return f"{found.variant}: {error.detail or error.message}"
        self._kernels = kernels
        return str(found.reason)

    def kernels_on(self, backend: str) -> str:
        if backend != "wasm":
            return "stock"
        loading = self._kernels_loading
        # Until they are there: those that are to come.
        is_over = loading is not None and loading.done()
        return self.kernels if is_over else str(js.backburnerKernels.variant)

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

    def task(self, recipe: TrainingRecipes, data: Dataset, start: Start | None) -> Task:
        return task_of(recipe, data, start)

    async def sampler(self, network: Base, weights: Mapping[str, Numbers], seed: int) -> Sampler:
        await pyodide_js.loadPackage("numpy")
        return Sampler.from_weights(network.spec(), weights, network.classes, seed=seed)

    async def gather(self, recipe: TrainingRecipes) -> Dataset:
        if isinstance(recipe.data, InlineData):
            return Dataset.from_inline(recipe.data)
        if isinstance(recipe.data, NoiseData):
            return Dataset.from_noise(recipe.data, recipe.seed)
        if isinstance(recipe.data, ShapesData):
            return await self._draw(recipe.data)
        if isinstance(recipe.data, ImagesData):
            decoder = Decoder(recipe.data)
            pictures = [await decoder.decode(image) for image in recipe.data.images]
            return Dataset.from_images(pictures, recipe.data)
        if isinstance(recipe.data, TextData):
            text = recipe.data.text
            return Dataset.from_text(await self._load_text() if text is None else text, recipe.data)
        assert isinstance(recipe.data, DigitsData)
        return await self._load_digits()

    async def start_backend(self, backend: str) -> None:
        await self._tensors.start_backend(backend)
        if backend == "wasm":
            await self.load_kernels()

    async def check_backend(self, backend: str) -> None:
        await check_canary(self._tensors.on(backend))

    async def prepare(self, task: Task, *, backend: str) -> Training:
        return Training.of(task, self._tensors.on(backend), self._kernels)

    def needed_bytes(self, task: Task, *, backend: str) -> int:
        return needed_bytes(
            task.workload,
            backend=backend,
            has_kernels=self.kernels_on(backend) != "stock",
        )

    def device_gb(self) -> float | None:
        found = getattr(js.navigator, "deviceMemory", None)  # Chromium alone has it
        return float(found) if found else None

    def vitals(self, *, models: int, running: int) -> Pong:
        memory = self._tensors.memory()
        return Pong(
            backend=self.backend,
            tensors=memory["tensors"],
            tensor_bytes=memory["bytes"] + (self._kernels.allocated_bytes if self._kernels else 0),
            python_bytes=int(pyodide_js._module.HEAPU8.length),
            proxies=int(pyodide_js._module.pyproxy_alloc_map.size) if self._debug else None,
            models=models,
            running=running,
        )

    async def load(self, source: str) -> int:
        if source == DigitsData.source:
            return len(await self._load_digits())
        if source == TextData.source:
            await self._load_text()
            return TextData().windows
        raise DataError(
            f"The site ships no data called {source!r}, so there is nothing to load.",
            key="data.source",
        )

    async def _load_digits(self) -> Dataset:
        if self._digits is None:
            description, binary = await asyncio.gather(
                self._fetch("data/digits.json"), self._fetch("data/digits.bin")
            )
            self._digits = Dataset.from_digits(binary, json.loads(description))
        return self._digits

    async def _draw(self, data: ShapesData) -> Dataset:
        """Gives way after every few pictures: who asks for something meanwhile is heard."""
        pictures = []
        for picture in draw_shapes(data):
            pictures.append(picture)
            if len(pictures) % PICTURES_AT_ONCE == 0:
                await self._turns.one()
        return Dataset.from_shapes(pictures, data)

    async def _load_text(self) -> str:
        if self._text is None:
            description, content = await asyncio.gather(
                self._fetch("data/text.json"), self._fetch("data/text.txt")
            )
            self._text = shipped_text(content, json.loads(description))
        return self._text

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
