"""Every state that the page can be in, reached for real: what is checked and what is photographed.

One list for the accessibility test and for the pictures, so that neither forgets a state that the
other knows. A state opens the page itself, and may end on one of its views; everything that it
needs to go wrong is made to go wrong from outside of the page.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page, expect

from backburner.core.routes import View
from tests.browser.conftest import LONG, TINY, Visit

ON_FAILED_REQUESTS = ("Failed to load resource", "console warning")
"""What browser and TensorFlow.js say by themselves when something cannot be fetched."""

DIVERGING: dict[str, Any] = {
    "recipe": 1,
    "data": {"source": "inline", "inputs": [[[3e38, 3e38]]] * 40, "labels": ["a", "b"] * 20},
    "model": {"layers": [{"type": "flatten"}]},
    "training": {"batch_size": 2},
}
"""A recipe that can work as far as anybody can see, until its numbers are multiplied."""


@dataclass(frozen=True, slots=True)
class PageState:
    """`bring` opens the page and brings it there; `views` are those where it can be seen.

    `noise` are words of what the console says in it, rightly.
    """

    bring: Callable[[Visit], None]
    views: tuple[View, ...]
    noise: tuple[str, ...] = field(default=())

    def reach(self, visit: Visit) -> None:
        visit.expected += self.noise
        self.bring(visit)


def show(visit: Visit, view: View) -> None:
    """Goes to a view, unless it is there: what is open there (a dialog) may forbid to leave."""
    if visit.state("view") != view:
        visit.go(view)


# --- a training, from its start to one of its ends ---------------------------------------------


def fresh(visit: Visit) -> None:
    visit.open().ready()


def begun(visit: Visit, step: int = 60) -> str:
    """The id of a long training that has come as far as `step`."""
    visit.open()
    key = visit.start(LONG)
    visit.until_step(key, step)
    return key


def running(visit: Visit) -> None:
    begun(visit)
    visit.start({**TINY, "name": "the next one"})


def paused(visit: Visit) -> None:
    assert visit.hook("pause", begun(visit))["status"] == "paused"


def stopped(visit: Visit) -> None:
    assert visit.hook("stop", begun(visit))["status"] == "stopped"


def aborted(visit: Visit) -> None:
    assert visit.hook("abort", begun(visit))["status"] == "aborted"


def interrupted(visit: Visit) -> None:
    key = begun(visit)
    visit.page.evaluate(
        """() => localStorage.setItem(
            `backburner:${location.pathname}:preferences`,
            JSON.stringify({ schema: 1, on_reload: "ask" }),
        )"""
    )
    visit.open()
    until_status(visit, key, "interrupted")


def until_status(visit: Visit, key: str, status: str) -> None:
    visit.until(lambda: visit.hook("operation", key).get("status") == status, status)


def failed(visit: Visit) -> None:
    visit.open()
    ended = visit.hook("wait", visit.start(DIVERGING))["refused"]
    assert ended["status"] == "failed", ended


def done(visit: Visit) -> None:
    visit.open()
    visit.train({**TINY, "training": {"epochs": 5}})


def dropped(visit: Visit) -> None:
    """A graphics card, the browser's software adapter, that went under a run."""
    visit.open("?backend=webgl")
    key = visit.start(LONG)
    visit.until(lambda: visit.hook("operation", key)["checkpoint"], "a checkpoint")
    visit.page.workers[0].evaluate(
        """() => {
            const { gl } = tf.findBackend("webgl").gpgpu;
            gl.getExtension("WEBGL_lose_context").loseContext();
        }"""
    )
    visit.until(lambda: visit.hook("operation", key)["backend"] == "wasm", "another backend")
    until_status(visit, key, "running")


def fingerprint(visit: Visit) -> None:
    done(visit)
    page = visit.go("dashboard")
    page.get_by_test_id("fingerprint-more").locator("summary").click()
    page.get_by_test_id("fingerprint-copy").click()
    expect(page.get_by_test_id("fingerprint-said")).not_to_be_empty()


def looking_inside(visit: Visit) -> None:
    """Both parts unfolded, of a network that still makes mistakes, and one of these chosen."""
    visit.open()
    visit.train({**TINY, "training": {"epochs": 1}})
    page = visit.go("dashboard")
    for part in ("inside-layers", "inside-answers"):
        page.get_by_test_id(part).locator("summary").click()
        page.get_by_test_id(part).scroll_into_view_if_needed()
    expect(page.get_by_test_id("outputs-3")).to_be_attached()
    page.locator("#confusion .wrong [aria-disabled=false]").first.click()
    expect(page.get_by_test_id("inside-behind").locator("button").first).to_be_visible()
    expect(page.get_by_test_id("inside-worst").locator("button").first).to_be_visible()


# --- storage, and other tabs -------------------------------------------------------------------


def fill_the_storage(visit: Visit) -> None:
    devtools = visit.page.context.new_cdp_session(visit.page)
    origin = visit.page.evaluate("location.origin")
    devtools.send("Storage.overrideQuotaForOrigin", {"origin": origin, "quotaSize": 1})


def done_without_checkpoint(visit: Visit) -> None:
    visit.open()
    fill_the_storage(visit)
    assert visit.train(TINY)["checkpoint"] is None


def trouble(visit: Visit) -> None:
    visit.open()
    fill_the_storage(visit)
    key = visit.start(LONG)
    visit.until(lambda: visit.hook("operation", key)["trouble"], "the storage to be full")


def elsewhere(visit: Visit) -> None:
    key = begun(Visit(visit.page.context.new_page(), visit.url))
    visit.open()
    until_status(visit, key, "interrupted")
    visit.go("dashboard")
    expect(visit.page.get_by_test_id("pause")).to_be_hidden()
    expect(visit.page.get_by_test_id("resume")).to_be_hidden()


# --- without a worker, without a part ----------------------------------------------------------


def without_worker(visit: Visit) -> None:
    visit.open("?worker=off")
    visit.until_step(visit.start(LONG), 20)


def fallback(visit: Visit) -> None:
    visit.page.context.route("**/workers/kitchen.js", lambda route: route.abort())
    visit.open()
    visit.ready()
    visit.until_step(visit.start(LONG), 20)
    assert visit.state("mode") == "main-thread"


def part_failed(visit: Visit) -> None:
    visit.page.context.route("**/tfjs/*", lambda route: route.abort())
    visit.open()
    expect(visit.page.get_by_test_id("retry-tensorflow")).to_be_visible(timeout=60_000)


def not_started(visit: Visit) -> None:
    visit.page.route("**/pyodide.asm.wasm", lambda route: route.fulfill(status=404))
    visit.page.goto(visit.url)
    visit.until(lambda: visit.state("backburner") == "error", "the page to give up")


# --- what one view shows -----------------------------------------------------------------------


def asked_first(visit: Visit) -> None:
    stopped(visit)
    page = visit.go("dashboard")
    page.get_by_test_id("clear").click()
    expect(page.get_by_test_id("confirm")).to_be_visible()


def log_with_errors(visit: Visit) -> None:
    failed(visit)
    page = visit.go("dashboard")
    expect(page.get_by_test_id("log-errors")).not_to_be_empty()
    page.get_by_test_id("logs").scroll_into_view_if_needed()


def draw(page: Page, pad: str, *strokes: tuple[tuple[float, float], ...]) -> None:
    """Strokes of points in shares of the pad's side; the pen is up when it is done."""
    place = page.get_by_test_id(pad)
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box is not None
    for stroke in strokes:
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for each in places[1:]:
            page.mouse.move(*each, steps=4)
        page.mouse.up()


SEVEN = ((0.25, 0.15), (0.75, 0.15), (0.45, 0.9))


def drawn(visit: Visit) -> None:
    done(visit)
    draw_a_seven(visit)


def drawn_while_training(visit: Visit) -> None:
    begun(visit)
    draw_a_seven(visit)


def draw_a_seven(visit: Visit) -> None:
    page = visit.go("playground")
    draw(page, "playground-pad", SEVEN)
    expect(page.get_by_test_id("drawn-bars").locator(".share").first).to_contain_text("%")


def drawings(visit: Visit) -> None:
    visit.open()
    page = visit.go("create")
    page.get_by_test_id("data-drawings").check()
    luck = random.Random(1)
    for at, name in enumerate(("cross", "a very long name for a class of drawings", "box")):
        page.get_by_test_id("new-class").fill(name)
        page.get_by_test_id("add-class").click()
        for _ in range(4 * (2 - at)):
            a, b = luck.uniform(0.1, 0.3), luck.uniform(0.6, 0.9)
            draw(page, "drawing-pad", ((a, a), (b, b)), ((b, a), (a, b)))
            page.get_by_test_id(f"keep-{at}").click()
    page.locator(".thumb").first.click()
    expect(page.get_by_test_id("bring-back")).to_be_visible()


def text(visit: Visit) -> None:
    visit.open().go("create").get_by_test_id("data-text").check()


def shapes(visit: Visit) -> None:
    visit.open().go("create").get_by_test_id("data-shapes").check()


def text_done(visit: Visit) -> None:
    visit.open()
    story = "The cat sat on the mat, and the dog sat on the cat. " * 90
    visit.train(
        {"recipe": 1, "data": {"source": "text", "text": story}, "training": {"batch_size": 8}}
    )


READER: dict[str, Any] = {
    "recipe": 1,
    "name": "Hamlet",
    "seed": 3,
    "data": {"source": "text", "text": "to be or not to be, that is the question.\n" * 40,
             "context": 16},
    "model": {"layers": [
        {"type": "embedding", "output_dim": 8},
        {"type": "conv1d", "filters": 16, "kernel_size": 3, "padding": "causal",
         "activation": "relu"}]},
    "training": {"epochs": 12, "batch_size": 8, "learning_rate": 0.01},
}  # fmt: skip
"""A network that learns to read in a moment."""


def reader(visit: Visit) -> str:
    """The id of a training that has learned to read."""
    visit.open()
    return str(visit.train(READER)["id"])


def can_write(visit: Visit) -> None:
    reader(visit)


def written(visit: Visit) -> None:
    """As a visitor asks for it."""
    reader(visit)
    page = visit.go("dashboard")
    page.get_by_test_id("write-prompt").fill("to ")
    page.get_by_test_id("write-length").fill("800")
    page.get_by_test_id("write-go").click()
    expect(page.get_by_test_id("writing-characters")).to_contain_text("800 ")
    page.get_by_test_id("write").wait_for(state="hidden")


def fine_tuned(visit: Visit) -> None:
    visit.open()
    pictures = [[[(at * row + column) % 5 / 4 for column in range(8)] for row in range(8)]
                for at in range(24)]  # fmt: skip
    data = {"source": "inline", "inputs": pictures, "labels": ["cat", "7"] * 12}
    tuned = {"recipe": 1, "kind": "fine-tune", "model": {"from": "previous"}, "data": data,
             "method": {"name": "lora"}, "training": {"epochs": 20, "batch_size": 8}}  # fmt: skip
    key = visit.hook("start", {**TINY, "then": [tuned]})["then"][0]
    visit.hook("wait", key)


def start_from(visit: Visit) -> None:
    """Create, with a trained network to begin with."""
    done(visit)
    page = visit.go("create")
    page.get_by_test_id("start-from").select_option(index=1)
    page.get_by_test_id("method-lora").check()
    page.get_by_test_id("rank").fill("2")
    expect(page.get_by_test_id("trainable")).to_contain_text("198")


def refused(visit: Visit) -> None:
    visit.open()
    page = visit.go("create")
    page.get_by_test_id("epochs").fill("0")
    page.get_by_test_id("train").click()
    expect(page.get_by_test_id("recipe-error")).to_be_visible()


def faults(visit: Visit) -> None:
    """In each of these views something is missing that its code takes for granted."""
    visit.page.add_init_script(
        """addEventListener("DOMContentLoaded", () => {
            const missing = "#part-python, #queue-hint, #progress, #drawn-text";
            for (const each of document.querySelectorAll(missing)) each.remove();
        })"""
    )
    visit.open()
    for view in FAULTS:
        visit.go(view)
        visit.page.get_by_test_id(f"fault-{view}").wait_for()


def notice(visit: Visit) -> None:
    visit.open()
    visit.page.evaluate("() => { setTimeout(() => { throw new Error('a wild fault'); }); }")
    expect(visit.page.get_by_test_id("notice")).to_be_visible()


ALL = tuple(View)
DASHBOARD = (View.DASHBOARD,)
PLAYGROUND = (View.PLAYGROUND,)
CREATE = (View.CREATE,)
FAULTS = (View.WELCOME, View.CREATE, View.DASHBOARD, View.PLAYGROUND)

STATES: dict[str, PageState] = {
    "can-write": PageState(can_write, (View.DASHBOARD,)),
    "written": PageState(written, (View.DASHBOARD,)),
    "fine-tuned": PageState(fine_tuned, (View.DASHBOARD,)),
    "start-from": PageState(start_from, (View.CREATE,)),
    "fresh": PageState(fresh, ALL),
    "running": PageState(running, ALL),
    "done": PageState(done, ALL),
    "paused": PageState(paused, (View.DASHBOARD, View.WELCOME)),
    "stopped": PageState(stopped, (View.DASHBOARD, View.WELCOME)),
    "interrupted": PageState(interrupted, (View.DASHBOARD, View.WELCOME)),
    "aborted": PageState(aborted, DASHBOARD),
    "failed": PageState(failed, (View.DASHBOARD, View.PLAYGROUND)),
    "dropped": PageState(dropped, DASHBOARD, ("console warning", "WebGL")),
    "fingerprint": PageState(fingerprint, DASHBOARD),
    "looking-inside": PageState(looking_inside, DASHBOARD),
    "done-without-checkpoint": PageState(done_without_checkpoint, DASHBOARD),
    "trouble": PageState(trouble, DASHBOARD),
    "elsewhere": PageState(elsewhere, (View.DASHBOARD, View.WELCOME)),
    "without-worker": PageState(without_worker, (View.DASHBOARD, View.WELCOME)),
    "fallback": PageState(fallback, (View.DASHBOARD, View.WELCOME), ON_FAILED_REQUESTS),
    "part-failed": PageState(part_failed, (View.WELCOME, View.DASHBOARD), ON_FAILED_REQUESTS),
    "not-started": PageState(not_started, ALL, ("console", "page error")),
    "asked-first": PageState(asked_first, DASHBOARD),
    "log-with-errors": PageState(log_with_errors, DASHBOARD),
    "drawn": PageState(drawn, PLAYGROUND),
    "drawn-while-training": PageState(drawn_while_training, PLAYGROUND),
    "drawings": PageState(drawings, CREATE),
    "text": PageState(text, CREATE),
    "shapes": PageState(shapes, CREATE),
    "text-done": PageState(text_done, ALL),
    "refused": PageState(refused, CREATE),
    "faults": PageState(faults, FAULTS),
    "notice": PageState(notice, (View.WELCOME,), ("a wild fault",)),
}
