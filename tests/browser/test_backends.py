"""The choice of a backend in a real browser, and a graphics card that goes under a run.

WebGL is the browser's own software adapter here: it computes rightly, and slowly. WebGPU has none
unless the browser is started for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import TINY, Visit
from tests.browser.test_fallback import hang

pytestmark = pytest.mark.browser

LARGE: dict[str, Any] = {
    **TINY,
    "model": {
        "layers": [{"type": "conv2d", "filters": 64, "kernel_size": 7, "padding": "same"}],
    },
    "training": {"epochs": 1, "batch_size": 512},
}
"""Large enough that a graphics card might be quicker."""

ON_A_CARD: dict[str, Any] = {**TINY, "training": {"epochs": 3}}


@pytest.fixture
def on_webgl(new_visit: Callable[..., Visit], served: str) -> Visit:
    visit = new_visit(served)
    # What the driver says of a context that is lost, or made to wait.
    visit.expected += ["console warning", "WebGL"]
    visit.open("?backend=webgl&debug=1")
    assert visit.ready()["backend"] == "webgl"
    return visit


def lose_the_context(page: Page) -> None:
    page.workers[0].evaluate(
        """() => {
            const { gl } = tf.findBackend("webgl").gpgpu;
            gl.getExtension("WEBGL_lose_context").loseContext();
        }"""
    )


def test_the_backends_are_measured_and_the_fastest_that_is_right_trains(visit: Visit) -> None:
    visit.expected += ["console warning"]
    done = visit.train(LARGE)
    measured = done["timing"]["measured"]
    assert set(measured) == {"wasm", "webgpu", "webgl", "cpu"}
    timed = {name: ms for name, ms in measured.items() if ms is not None}
    assert {"wasm", "webgl"} <= set(timed)
    assert done["backend"] == min(timed, key=lambda name: timed[name])
    assert visit.state("backend") == done["backend"]
    again = visit.train(LARGE)
    # Remembered: the same trials, and the pace of the run in the place of its own.
    others = {name: ms for name, ms in measured.items() if name != done["backend"]}
    assert others.items() <= again["timing"]["measured"].items()


def test_a_page_with_a_seed_computes_on_wasm(new_visit: Callable[..., Visit], served: str) -> None:
    visit = new_visit(served).open("?seed=7")
    done = visit.train(LARGE)
    assert done["backend"] == "wasm"
    assert set(done["timing"]["measured"]) == {"wasm"}


def test_a_context_that_is_lost_in_a_run_is_followed_by_another_backend(on_webgl: Visit) -> None:
    visit = on_webgl
    key = visit.start(ON_A_CARD)
    visit.until(lambda: visit.hook("operation", key)["checkpoint"], "a checkpoint")
    assert visit.state("backend") == "webgl"
    lose_the_context(visit.page)
    done = visit.hook("wait", key)
    assert (done.get("status"), done.get("backend")) == ("completed", "wasm"), done
    assert done["mode"] == "worker"
    assert done["dropped"] == ["webgl"]
    assert done["inexact"] is True
    assert done["resumed_at"] > 0
    assert visit.state("backend") == "wasm"
    assert visit.hook("history", key)["step"] == list(range(1, 3 * 45 + 1))
    diagnostics = visit.hook("diagnostics")
    assert diagnostics["workers_started"] == 1
    page = visit.go("dashboard")
    expect(page.get_by_test_id("panel-notes")).to_contain_text("webgl failed")


def test_a_worker_that_hangs_on_a_card_is_replaced_and_goes_on_without_it(on_webgl: Visit) -> None:
    visit = on_webgl
    key = visit.start(ON_A_CARD)
    visit.until(lambda: visit.hook("operation", key)["checkpoint"], "a checkpoint")
    hang(visit.page)
    done = visit.hook("wait", key)
    assert (done.get("status"), done.get("backend")) == ("completed", "wasm"), done
    assert (done["mode"], done["dropped"]) == ("worker", ["webgl"])
    assert visit.hook("diagnostics")["workers_started"] == 2


def test_a_recipe_that_is_run_again_ends_with_the_same_weights(visit: Visit) -> None:
    page = visit.go("dashboard")
    first = visit.train({**TINY, "seed": 11})
    page.get_by_test_id("run-again").click()
    visit.until(lambda: len(visit.hook("operations")) == 2, "the second run")
    second = visit.hook("wait", visit.hook("operations")[1]["id"])
    assert second["id"] != first["id"]
    assert second["fingerprint"] == first["fingerprint"]
    assert first["fingerprint"]["backend"] == first["backend"]
    weights = [visit.hook("weights", each["id"])["sha256"] for each in (first, second)]
    assert weights[0] == weights[1]
    short = first["fingerprint"]["sha256"][:8]
    expect(page.get_by_test_id("fingerprint")).to_have_text(short)


def test_the_fingerprint_of_an_earlier_visit_is_still_known(visit: Visit) -> None:
    done = visit.train(TINY)
    visit.open()
    visit.until(lambda: visit.hook("operations"), "the list")
    (kept,) = visit.hook("operations")
    assert kept["fingerprint"] == done["fingerprint"]
    assert kept["timing"]["promised_s"] == done["timing"]["promised_s"]


def test_a_run_promises_its_time_and_its_memory_and_says_how_well_it_guessed(visit: Visit) -> None:
    page = visit.go("dashboard")
    key = visit.start({**TINY, "training": {"epochs": 30}})
    visit.until_step(key, 5)
    notes = page.get_by_test_id("panel-notes")
    expect(notes).to_contain_text("This takes about")
    timing = visit.hook("operation", key)["timing"]
    assert timing["promised_s"] > 0
    assert timing["promised_bytes"] > 0
    assert timing["took_s"] is None
    done = visit.hook("wait", key)["timing"]
    assert (done["promised_s"], done["took_s"]) == (timing["promised_s"], done["elapsed_s"])
    expect(notes).to_contain_text("Promised")
