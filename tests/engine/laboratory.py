"""The laboratory: a real browser page with Pyodide, TF.js and the package, driven from pytest.

A test sends the source of `async def main(**arguments)` and gets back what it returns, as
JSON. What the engine computes is thus tested where it will run, and on both backends whose
results are promised. `prelude` puts shared Python before every test's source.
"""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from backburner_site import checkout
from backburner_site.browser import CHOSEN, launch_options, on_this_system
from backburner_site.server import Server

HERE = Path(__file__).parent
DIST = Path(os.environ.get("BACKBURNER_DIST", checkout.ROOT / "dist"))

PRELUDE = """
import js
from array import array
from backburner.core.recipe import Recipe
from backburner.engine.data import Dataset
from backburner.engine.kernels import Kernels
from backburner.engine.tensors import Tensors
from backburner.engine.training import Training

async def use(backend):
    tensors = Tensors(js.tf)
    if tensors.backend != backend:
        await tensors.use_backend(backend)
    return tensors

async def kernels_for(tensors, variant):
    # New ones, as if the thread had none yet; kernels_of gives those that it has.
    Kernels._loaded.pop(variant, None)
    file = await js.fetch(js.URL.new(f"../kernels/{variant}.wasm", js.location.href).href)
    return await Kernels.load(tensors, await js.WebAssembly.compileStreaming(file), variant)

async def digits():
    folder = js.URL.new("../data/", js.location.href).href
    binary = (await (await js.fetch(folder + "digits.bin")).arrayBuffer()).to_bytes()
    description = await (await js.fetch(folder + "digits.json")).text()
    import json
    return Dataset.from_digits(binary, json.loads(description))

_loaded = {"stock": None}

async def kernels_of(variant):
    # What Training.from_recipe takes for the kernels of this name: None for TF.js's own.
    if variant not in _loaded:
        found = await js.loadKernels(variant)
        assert found.variant == variant, found.variant
        _loaded[variant] = await Kernels.load(Tensors(js.tf), found.module, variant)
    return _loaded[variant]

def recipe(**parts):
    return Recipe.from_wire({"recipe": 1, **parts})
"""


class Laboratory:
    """`run` is all a test needs."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def run(self, code: str, **arguments: Any) -> Any:
        """Calls the `async def main(**arguments)` that `code` defines; returns its result.

        Fails the test with the Python traceback of the browser when it raises.
        """
        source = PRELUDE + textwrap.dedent(code)
        answer = json.loads(
            self._page.evaluate(
                "async ([code, given]) => await (await laboratory).run(code, given)",
                [source, json.dumps(arguments)],
            )
        )
        if "error" in answer:
            pytest.fail(answer["error"], pytrace=False)
        return answer["value"]


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Which browser Playwright starts: the chosen one, one of the system, or its own."""
    chosen = os.environ.get(CHOSEN)
    program = Path(chosen) if chosen else on_this_system()
    return launch_options(program) if program else {}


@pytest.fixture(scope="module")
def browser(launch_browser: Callable[[], Browser]) -> Iterator[Browser]:
    """A browser for each module of tests: what one leaves behind in it ends with it."""
    started = launch_browser()
    yield started
    started.close()


@pytest.fixture(scope="module")
def laboratory(browser: Browser) -> Iterator[Laboratory]:
    """One page for all tests of a module; what a test leaves behind, the next one sees."""
    if not (DIST / "tfjs").is_dir():
        pytest.fail(f"There is no site in {DIST}: build it first, with build.py build.")
    with Server(DIST, base="/", extra={"/__lab__/": HERE}) as server:
        page = browser.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{server.url}__lab__/laboratory.html")
        page.set_default_timeout(600_000)
        yield Laboratory(page)
        page.close()
    assert not problems
