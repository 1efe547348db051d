"""The worker's entry: joins the worker room and the engine, on the port that it is given.

Called by workers/kitchen.js when Python and TensorFlow.js are there. In the fallback the page
calls the same function with its own end of a MessageChannel.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import js

from backburner.core.errors import BackendError
from backburner.core.messages import Log, WorkerFaulted, WorkerReady
from backburner.engine.tensors import Tensors
from backburner.worker.browser import BrowserKitchen, database_name
from backburner.worker.database import IndexedDatabase
from backburner.worker.loop import Loop

KERNELS = ("best", "relaxed", "simd", "stock")
"""What may be asked for; "best" is the best that the browser can (scripts/kernels.mjs)."""


async def main(port: Any, settings: str) -> Loop:
    """Starts the loop on `port`; gives it, so that whoever outlives it can close it.

    `settings` is JSON: generation, backend, kernels, debug, folder (the site's address), and
    boot (stages in milliseconds, start, reason) for the report that the worker is ready.
    """
    wanted = json.loads(settings)
    folder, debug = wanted["folder"], wanted["debug"]
    tensors = Tensors(js.tf)

    def warn(text: str) -> None:
        loop.report(Log(level="warning", text=text))

    kitchen = BrowserKitchen(
        port, tensors, backend=wanted["backend"], folder=folder, warn=warn, debug=debug
    )

    def on_opened(took_ms: float) -> None:
        loop.report(Log(level="debug", text=f"storage {database.name} opened in {took_ms:.0f} ms"))

    database = IndexedDatabase(database_name(folder), on_opened=on_opened)
    loop = Loop(kitchen, database, generation=wanted["generation"], debug=debug)
    try:
        check_kernels(wanted["kernels"])
        await tensors.use_backend(wanted["backend"])
        if kitchen.backend == "wasm":
            await kitchen.load_kernels()
    except Exception as error:
        loop.report(WorkerFaulted(message=str(error), starting=True))
        return loop
    kitchen.listen(loop.receive)
    boot = wanted["boot"]
    loop.report(Log(level="debug", text=f"backend {tensors.backend}, start {boot['start']}"))
    loop.report(
        WorkerReady(
            backend=tensors.backend,
            kernels=kitchen.kernels,
            start=boot["start"],
            reason=boot["reason"],
            stages=boot["stages"],
            python=sys.version.split()[0],
            tensorflow=str(js.tf.version_core),
        )
    )
    return loop


def check_kernels(wanted: str) -> None:
    """Raises BackendError for kernels that nobody has."""
    if wanted not in KERNELS:
        raise BackendError(
            f"There are no kernels {wanted!r}. Write relaxed, simd or stock into the address, or "
            "leave it out for the best that this browser can."
        )
