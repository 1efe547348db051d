"""Whatever ends a page, its runs go on from their last checkpoint to the very same weights."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.conftest import LONG, SUB_PATH, TINY, Visit
from tests.browser.raw_browser import RawBrowser, Tab, the_browser, until

pytestmark = pytest.mark.browser

EPOCHS = 300
STEPS = EPOCHS * 45
# A few seconds of training, with dropout and an optimizer that remembers.
RECIPE: dict[str, Any] = {
    "recipe": 1,
    "seed": 11,
    "model": {
        "layers": [
            {"type": "conv2d", "filters": 8, "kernel_size": 3, "activation": "relu"},
            {"type": "max_pooling2d"},
            {"type": "dropout", "rate": 0.25},
            {"type": "flatten"},
        ]
    },
    "training": {"epochs": EPOCHS},
}


def weights(visit: Visit, key: str) -> str:
    return str(visit.hook("weights", key)["sha256"])


@pytest.fixture(scope="module")
def undisturbed(shared_visit: Visit) -> str:
    """The weights' sha256 of the recipe, trained in one go."""
    return weights(shared_visit, shared_visit.train(RECIPE)["id"])


def test_a_reload_in_the_middle_changes_nothing_of_the_result(
    visit: Visit, undisturbed: str
) -> None:
    key = visit.start(RECIPE)
    visit.until_step(key, 200)
    visit.open("?debug=1")
    done = visit.hook("wait", key)
    assert done["status"] == "completed"
    assert 0 < done["resumed_at"] < STEPS
    assert weights(visit, key) == undisturbed
    history = visit.hook("history", key)
    assert history["step"] == list(range(1, STEPS + 1))
    assert [end["epoch"] for end in history["epochs"]] == list(range(1, EPOCHS + 1))


def test_a_run_cut_off_at_random_places_in_worker_and_main_thread_ends_the_same(
    visit: Visit, undisturbed: str
) -> None:
    draw = random.Random(5)
    key = visit.start(RECIPE)
    reached = 0
    for query in ("?worker=off", "", "?worker=off", ""):
        reached += draw.randrange(900, 1_800)
        visit.until_step(key, reached)
        visit.open(query)
    done = visit.hook("wait", key)
    assert (done["status"], done["steps"]) == ("completed", STEPS)
    assert weights(visit, key) == undisturbed
    assert visit.hook("history", key)["step"] == list(range(1, STEPS + 1))


def test_a_closed_tab_s_run_goes_on_in_the_next_one(visit: Visit, undisturbed: str) -> None:
    key = visit.start(RECIPE)
    visit.until_step(key, 150)
    again = in_a_new_tab(visit)
    visit.page.close()
    again.open()
    done = again.hook("wait", key)
    assert done["status"] == "completed"
    assert weights(again, key) == undisturbed


def in_a_new_tab(visit: Visit) -> Visit:
    context: BrowserContext = visit.page.context
    return Visit(context.new_page(), visit.url)


def test_a_killed_browser_loses_no_checkpoint(
    served: str, tmp_path: Path, undisturbed: str
) -> None:
    program = the_browser()

    def opened(browser: RawBrowser) -> Tab:
        tab = browser.open(served)
        until(tab, "document.documentElement?.dataset.backburner === 'ready'")
        return tab

    with RawBrowser(program, tmp_path) as browser:
        tab = opened(browser)
        key = tab.evaluate(f"backburner.start({json.dumps(RECIPE)}).then(({{ id }}) => id)")
        saved = until(
            tab, f"backburner.operation('{key}').then((o) => o.step > 300 && o.checkpoint)"
        )
    with RawBrowser(program, tmp_path) as browser:
        tab = opened(browser)
        # localStorage may have lost the last seconds: the database knows the run all the same.
        until(tab, f"backburner.operations().then((all) => all.some(({{ id }}) => id === '{key}'))")
        done = until(
            tab,
            f"backburner.operation('{key}').then((o) => o.status === 'completed' && o)",
        )
        assert done["resumed_at"] >= saved
        found = tab.evaluate(f"backburner.weights('{key}')")
        assert found["sha256"] == undisturbed


def test_a_stopped_run_stays_stopped_until_it_is_taken_up(visit: Visit, undisturbed: str) -> None:
    key = visit.start(RECIPE)
    visit.until_step(key, 100)
    stopped = visit.hook("stop", key)
    assert stopped["checkpoint"] == stopped["step"]
    visit.open()
    visit.ready()
    again = visit.hook("operation", key)
    assert (again["status"], again["step"]) == ("stopped", stopped["step"])
    assert visit.hook("resume", key)["status"] == "running"
    done = visit.hook("wait", key)
    assert (done["resumed_at"], done["redone"]) == (stopped["step"], 0)
    assert weights(visit, key) == undisturbed


def test_a_run_that_was_stopped_goes_on_in_the_same_worker(visit: Visit, undisturbed: str) -> None:
    key = visit.start(RECIPE)
    for step in (50, 120, 200):
        visit.until_step(key, step)
        visit.hook("stop", key)
        assert visit.hook("resume", key)["status"] == "running"
    assert visit.hook("wait", key)["status"] == "completed"
    assert weights(visit, key) == undisturbed


def test_a_paused_run_waits_over_a_reload(visit: Visit, undisturbed: str) -> None:
    key = visit.start(RECIPE)
    visit.until_step(key, 100)
    paused = visit.hook("pause", key)
    assert paused["checkpoint"] == paused["step"]
    visit.open()
    visit.until(lambda: visit.hook("diagnostics")["parts"]["runs"]["state"] == "ready", "the list")
    assert visit.hook("operation", key)["status"] == "interrupted"
    assert visit.hook("resume", key)["status"] == "running"
    assert visit.hook("wait", key)["redone"] == 0
    assert weights(visit, key) == undisturbed


def test_whoever_wants_to_be_asked_finds_the_run_waiting(visit: Visit) -> None:
    key = visit.start(RECIPE)
    visit.until_step(key, 60)
    visit.page.evaluate(
        """() => localStorage.setItem(
            `backburner:${location.pathname}:preferences`,
            JSON.stringify({ schema: 1, on_reload: "ask" }),
        )"""
    )
    visit.open()
    visit.until(lambda: visit.hook("diagnostics")["parts"]["runs"]["state"] == "ready", "the list")
    assert visit.hook("operation", key)["status"] == "interrupted"
    assert visit.hook("abort", key)["status"] == "aborted"


def test_an_aborted_run_is_final_and_can_still_be_asked(visit: Visit) -> None:
    key = visit.start(RECIPE)
    visit.until_step(key, 60)
    aborted = visit.hook("abort", key)
    assert (aborted["status"], aborted["checkpoint"]) == ("aborted", aborted["step"])
    before = visit.hook("predict", key, [[0.5] * 8] * 8)
    visit.open()
    visit.until(lambda: visit.hook("diagnostics")["parts"]["runs"]["state"] == "ready", "the list")
    assert visit.hook("operation", key)["status"] == "aborted"
    assert visit.hook("resume", key)["refused"]["name"] == "LifecycleError"
    assert visit.hook("predict", key, [[0.5] * 8] * 8) == before


def test_a_completed_run_is_whole_after_a_reload(visit: Visit) -> None:
    done = visit.train(TINY)
    key = done["id"]
    before = (
        weights(visit, key),
        visit.hook("history", key),
        visit.hook("predict", key, [[0.5] * 8] * 8),
    )
    visit.open()
    visit.ready()
    after = (
        weights(visit, key),
        visit.hook("history", key),
        visit.hook("predict", key, [[0.5] * 8] * 8),
    )
    assert after == before
    assert visit.hook("operation", key)["test"] == done["test"]


def test_clear_leaves_nothing_of_a_run(visit: Visit) -> None:
    key = visit.train(TINY)["id"]
    assert key in stored_text(visit)
    assert visit.hook("clear", key) == {"cleared": key}
    assert visit.hook("operation", key)["refused"]["name"] == "InterfaceError"
    visit.until(lambda: key not in stored_text(visit), "the record to go")
    visit.open()
    visit.ready()
    assert visit.hook("operations") == []


def stored_text(visit: Visit) -> str:
    """The keys of all that is stored, in both storages, and the records of localStorage."""
    return str(
        visit.page.evaluate(
            """async () => {
                const found = [JSON.stringify(localStorage)];
                for (const { name } of await indexedDB.databases()) {
                    const open = indexedDB.open(name);
                    const database = await new Promise((resolve) => {
                        open.onsuccess = () => resolve(open.result);
                    });
                    for (const store of database.objectStoreNames) {
                        const keys = database.transaction(store).objectStore(store).getAllKeys();
                        found.push(JSON.stringify(await new Promise((resolve) => {
                            keys.onsuccess = () => resolve(keys.result);
                        })));
                    }
                    database.close();
                }
                return found.join();
            }"""
        )
    )


def test_a_second_tab_leaves_the_run_of_the_first_alone(visit: Visit) -> None:
    key = visit.start(LONG)
    visit.until_step(key, 60)
    other = in_a_new_tab(visit).open()
    other.until(
        lambda: other.hook("operation", key).get("status") == "interrupted", "the tab to give way"
    )
    refused = other.hook("abort", key)["refused"]
    assert "another tab" in refused["message"]
    step = visit.hook("operation", key)["step"]
    visit.until_step(key, step + 10)
    stopped = visit.hook("stop", key)
    assert (stopped["status"], stopped["checkpoint"]) == ("stopped", stopped["step"])
    # Given back, it can be taken up in the other one.
    assert other.hook("resume", key)["resumed_at"] == stopped["step"]
    assert other.hook("stop", key)["status"] == "stopped"
    assert other.unexpected() == []


def test_a_database_of_a_newer_version_is_left_alone_and_named(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = new_visit(served).open()
    visit.train(TINY)
    name = f"backburner:{SUB_PATH}:kitchen"
    visit.page.goto(f"{served}licences.html")
    visit.page.evaluate(
        """(name) => new Promise((resolve, reject) => {
            const open = indexedDB.open(name, 99);
            open.onupgradeneeded = () => open.result.createObjectStore("from-the-future");
            open.onsuccess = () => { open.result.close(); resolve(); };
            open.onerror = reject;
        })""",
        name,
    )
    visit.open()
    visit.until(lambda: visit.hook("diagnostics")["parts"]["runs"]["state"] == "failed", "the word")
    assert "newer" in visit.hook("diagnostics")["parts"]["runs"]["detail"]
    done = visit.train(TINY)
    assert (done["status"], done["checkpoint"]) == ("completed", None)
    databases = visit.page.evaluate("() => indexedDB.databases()")
    assert {"name": name, "version": 99} in databases


def test_a_full_storage_is_said_and_the_training_goes_on(visit: Visit) -> None:
    devtools = visit.page.context.new_cdp_session(visit.page)
    origin = visit.page.evaluate("location.origin")
    devtools.send("Storage.overrideQuotaForOrigin", {"origin": origin, "quotaSize": 1})
    done = visit.train(RECIPE)
    assert (done["status"], done["checkpoint"]) == ("completed", None)
    assert done["trouble"]["name"] == "StorageFull"
    devtools.send("Storage.overrideQuotaForOrigin", {"origin": origin})
    again = visit.train(TINY)
    assert (again["checkpoint"], again["trouble"]) == (again["step"], None)
