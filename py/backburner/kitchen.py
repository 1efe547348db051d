"""The worker's entry: joins the worker room and the engine, on the port that it is given.

Called by workers/kitchen.js when Python and TensorFlow.js are there. In the fallback the page
will call the same function with its own end of a MessageChannel.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import js
from pyodide.ffi import create_proxy

from backburner.core.messages import WorkerFaulted, WorkerReady
from backburner.engine.tensors import Tensors
from backburner.worker.browser import BrowserKitchen
from backburner.worker.loop import Loop


async def main(port: Any, settings: str) -> None:
    """Starts the loop on `port`.

    `settings` is JSON: generation, backend, debug, folder (the site's address), and boot
    (stages in milliseconds, start, reason) for the report that the worker is ready.
    """
    wanted = json.loads(settings)
    tensors = Tensors(js.tf)
    kitchen = BrowserKitchen(port, tensors, folder=wanted["folder"], debug=wanted["debug"])
    loop = Loop(kitchen, generation=wanted["generation"])
    try:
        await tensors.use_backend(wanted["backend"])
    except Exception as error:
        loop.report(WorkerFaulted(message=str(error), starting=True))
        return
    # Held for the worker's life; the port is never given back.
    port.onmessage = create_proxy(lambda event: loop.receive(*_content(event.data)))
    boot = wanted["boot"]
    loop.report(
        WorkerReady(
            backend=tensors.backend,
            kernels="stock",
            start=boot["start"],
            reason=boot["reason"],
            stages=boot["stages"],
            python=sys.version.split()[0],
            tensorflow=str(js.tf.version_core),
        )
    )


def _content(data: Any) -> tuple[object, tuple[Any, ...]]:
    """Text and buffers of what a port delivered, whatever it is: the loop refuses the rest."""
    text = getattr(data, "text", data)
    try:
        return text, tuple(getattr(data, "buffers", ()))
    except TypeError:
        return text, ()
