"""The kitchen's kernels are loaded once, and nobody computes before they are there."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from backburner.core.errors import BackendError
from tests.loops import on_a_loop

BROWSER = ("js", "pyodide", "pyodide.ffi", "pyodide_js")


class FakeKernels:
    """Stands for engine.kernels.Kernels: there only when the test lets it be."""

    def __init__(
        self, fault: BackendError | None = None, *, wrong: BackendError | None = None
    ) -> None:
        self.variant = "relaxed"
        self.wrong = wrong
        self.are_withdrawn = False
        self.loads = 0
        self.go = asyncio.Event()
        self._fault = fault

    async def load(self, tensors: object, module: object, variant: str) -> FakeKernels:
        self.loads += 1
        await self.go.wait()
        if self._fault:
            raise self._fault
        return self


class FakeTensors:
    async def start_backend(self, backend: str) -> None:
        await asyncio.sleep(0)

    def on(self, backend: str) -> FakeTensors:
        return self


async def ask(tensors: object, kernels: FakeKernels | None = None) -> None:
    if kernels is not None and kernels.wrong is not None:
        raise kernels.wrong


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """worker/browser.py, with stand-ins for what is only in a browser."""
    before = set(sys.modules)
    found: dict[str, Any] = {name: ModuleType(name) for name in BROWSER}
    found["js"].MessageChannel = SimpleNamespace(
        new=lambda: SimpleNamespace(port1=SimpleNamespace(), port2=SimpleNamespace())
    )
    found["js"].backburnerKernels = SimpleNamespace(variant="relaxed", module=None, reason="")
    found["pyodide.ffi"].JsException = type("JsException", (Exception,), {})
    found["pyodide.ffi"].create_proxy = found["pyodide.ffi"].to_js = lambda thing: thing
    for name, module in found.items():
        monkeypatch.setitem(sys.modules, name, module)
    module = importlib.import_module("backburner.worker.browser")
    monkeypatch.setattr(module, "register", lambda tensors, kernels: None)
    monkeypatch.setattr(module, "check_canary", ask)
    yield module
    for name in set(sys.modules) - before - set(BROWSER):
        del sys.modules[name]


def kitchen(adapter: Any, kernels: FakeKernels) -> tuple[Any, list[str]]:
    """A kitchen that was started on another backend than wasm, and what it warns of."""
    adapter.Kernels = kernels
    warnings: list[str] = []
    made = adapter.BrowserKitchen(
        None, FakeTensors(), backend="webgl", folder="/", warn=warnings.append, debug=False
    )
    return made, warnings


@on_a_loop
async def test_whoever_starts_wasm_meanwhile_waits_for_the_same_kernels(adapter: Any) -> None:
    kernels = FakeKernels()
    here, warnings = kitchen(adapter, kernels)
    starts = [asyncio.ensure_future(here.start_backend("wasm")) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert not any(each.done() for each in starts)
    assert (here.kernels, here.kernels_on("wasm")) == ("stock", "relaxed")
    starts[0].cancel()
    await asyncio.sleep(0)
    kernels.go.set()
    await asyncio.gather(*starts[1:])
    assert here.kernels == "relaxed"
    await here.start_backend("wasm")
    assert (kernels.loads, warnings) == (1, [])


@on_a_loop
async def test_kernels_that_cannot_be_had_are_said_once_wherever_wasm_was_started(
    adapter: Any,
) -> None:
    kernels = FakeKernels(BackendError("They could not be loaded.", detail="no memory"))
    kernels.go.set()
    here, warnings = kitchen(adapter, kernels)
    await asyncio.gather(here.start_backend("wasm"), here.start_backend("wasm"))
    assert (here.kernels, here.kernels_on("wasm")) == ("stock", "stock")
    assert warnings == ["kernels stock instead of others: relaxed: no memory"]


@on_a_loop
async def test_kernels_that_do_not_know_their_sums_give_their_places_back(adapter: Any) -> None:
    kernels = FakeKernels(wrong=BackendError("A sum came out wrong.", detail="canary: off by 1"))
    kernels.go.set()
    here, warnings = kitchen(adapter, kernels)
    await here.start_backend("wasm")
    assert (here.kernels, kernels.are_withdrawn) == ("stock", True)
    assert warnings == ["kernels stock instead of others: relaxed: canary: off by 1"]
