"""Without a worker, or after its death, the page's own thread does the same work."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from backburner_site.server import Server
from tests.browser.conftest import LONG, SLOW, SUB_PATH, TINY, Visit

pytestmark = pytest.mark.browser

EPOCHS = 400
RECIPE: dict[str, Any] = {**TINY, "training": {"epochs": EPOCHS}}


def weights(visit: Visit, key: str) -> str:
    return str(visit.hook("weights", key)["sha256"])


@pytest.fixture(scope="module")
def undisturbed(shared_visit: Visit) -> str:
    return weights(shared_visit, shared_visit.train(RECIPE)["id"])


@pytest.fixture
def site(dist: Path, tmp_path: Path) -> Path:
    """A copy of the site, to be damaged."""
    return Path(shutil.copytree(dist, tmp_path / "site"))


def test_the_address_asks_for_no_worker(
    new_visit: Callable[..., Visit], served: str, undisturbed: str
) -> None:
    visit = new_visit(served).open("?worker=off")
    assert visit.ready()["mode"] == "main-thread"
    assert (visit.state("mode"), visit.state("worker")) == ("main-thread", "ready")
    done = visit.train(RECIPE)
    assert done["mode"] == "main-thread"
    assert weights(visit, done["id"]) == undisturbed
    assert visit.page.workers == []
    diagnostics = visit.hook("diagnostics")
    assert (diagnostics["worker_alive"], diagnostics["workers_started"]) == (False, 0)


def test_a_browser_without_workers(new_visit: Callable[..., Visit], served: str) -> None:
    visit = new_visit(served)
    visit.page.add_init_script("delete globalThis.Worker")
    visit.open()
    assert visit.ready()["mode"] == "main-thread"
    assert (visit.state("mode"), visit.state("worker")) == ("main-thread", "failed")
    assert visit.train(TINY)["status"] == "completed"


def test_a_worker_whose_script_is_missing(
    site: Path, new_visit: Callable[..., Visit], undisturbed: str
) -> None:
    (site / "workers" / "kitchen.js").unlink()
    with Server(site, base=SUB_PATH) as server:
        visit = new_visit(server.url)
        visit.expected += ["Failed to load resource"]
        visit.open()
        done = visit.train(RECIPE)
        assert (done["status"], done["mode"]) == ("completed", "main-thread")
        assert weights(visit, done["id"]) == undisturbed
        diagnostics = visit.hook("diagnostics")
        assert diagnostics["workers_started"] == 1, "there is no loop of restarts"
        assert diagnostics["mode_reason"]
        assert diagnostics["errors"]


@pytest.mark.parametrize("part", ["tf.es2017.min.js", "tfjs-backend-wasm-simd.wasm"])
def test_tensorflow_that_cannot_be_loaded_anywhere_is_said_and_can_be_tried_again(
    site: Path, new_visit: Callable[..., Visit], part: str
) -> None:
    hidden = (site / "tfjs" / part).rename(site / "hidden")
    with Server(site, base=SUB_PATH) as server:
        visit = new_visit(server.url)
        # TensorFlow.js warns by itself before it says no.
        visit.expected += ["Failed to load resource", "console warning"]
        visit.open()
        visit.until(
            lambda: visit.hook("diagnostics")["worker_status"] == "lost", "the page to give up"
        )
        found = visit.hook("diagnostics")
        assert (found["workers_started"], found["mode"]) == (1, "main-thread")
        assert found["parts"]["tensorflow"]["state"] == "failed"
        refused = visit.page.evaluate("() => backburner.ready.catch((refused) => refused)")
        assert refused["name"] == "WorkerLost"
        ended = visit.hook("wait", visit.start(TINY))["refused"]
        assert ended["status"] == "failed"
        hidden.rename(site / "tfjs" / part)
        visit.page.get_by_test_id("retry-tensorflow").click()
        visit.until(lambda: visit.state("worker") == "ready", "the worker to come up after all")
        assert visit.train(TINY)["mode"] == "worker"


def die(page: Page) -> None:
    """close() fires no event anywhere: only its silence tells."""
    page.workers[0].evaluate("() => self.close()")


def hang(page: Page) -> None:
    """Keeps the worker busy for ever, without waiting for it."""
    page.workers[0].evaluate("() => { setTimeout(() => { for (;;); }, 0); }")


LOSE_THE_MEMORY = """() => {
    const lost = () => { throw new Error("the backend has lost its memory"); };
    Object.defineProperty(tf.findBackend("wasm").wasm, "HEAPU8", { get: lost });
}"""


def lose_the_memory(page: Page) -> None:
    page.workers[0].evaluate(LOSE_THE_MEMORY)


@pytest.mark.parametrize("harm", [die, hang, lose_the_memory])
def test_a_worker_that_fails_in_the_middle_of_a_run_is_followed_by_the_main_thread(
    visit: Visit, harm: Callable[[Page], None], undisturbed: str
) -> None:
    key = visit.start(RECIPE)
    visit.until_step(key, 200)
    harm(visit.page)
    done = visit.hook("wait", key)
    assert (done["status"], done["mode"]) == ("completed", "main-thread")
    assert done["resumed_at"] > 0
    assert weights(visit, key) == undisturbed
    assert visit.hook("history", key)["step"] == list(range(1, EPOCHS * 45 + 1))
    assert visit.state("mode") == "main-thread"
    assert visit.hook("diagnostics")["workers_started"] == 1


def test_a_fault_that_follows_into_the_main_thread_ends_the_run(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = new_visit(served).open("?worker=off")
    key = visit.start(LONG)
    visit.until_step(key, 50)
    visit.page.evaluate(LOSE_THE_MEMORY)
    ended = visit.hook("wait", key)["refused"]
    assert (ended["status"], ended["error"]["name"]) == ("failed", "BackendError")
    assert ended["checkpoint"] > 0
    assert visit.hook("diagnostics")["running"] == 0


def test_orders_are_heard_between_two_steps_in_the_main_thread(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = new_visit(served).open("?worker=off")
    key = visit.start(SLOW)
    visit.until_step(key, 10)
    waits = []
    for _ in range(10):
        before = visit.hook("operation", key)["step"]
        waits.append(visit.hook("weights", key)["step"] - before)
    assert max(waits) <= 25, waits
    paused = visit.hook("pause", key)
    assert paused["status"] == "paused"
    assert visit.hook("resume", key)["status"] == "running"
    assert visit.hook("stop", key)["status"] == "stopped"


def test_the_page_draws_frames_between_the_steps(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = new_visit(served).open("?worker=off")
    key = visit.start({**LONG, "model": {"preset": "small"}})
    visit.until_step(key, 10)
    # Within one second there are dozens of steps; a loop that never gave way would draw nothing.
    before = visit.hook("operation", key)["step"]
    frames = visit.page.evaluate(
        """() => new Promise((resolve) => {
            let frames = 0;
            const count = () => { frames += 1; requestAnimationFrame(count); };
            requestAnimationFrame(count);
            setTimeout(() => resolve(frames), 1000);
        })"""
    )
    steps = visit.hook("operation", key)["step"] - before
    assert steps > 0
    assert frames >= min(10, steps / 3), (frames, steps)
    visit.hook("stop", key)
