"""The dashboard in every state that a run can be in, and the status bar on every view."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from backburner_site.server import Server
from tests.browser.conftest import LONG, SUB_PATH, TINY, Visit

pytestmark = pytest.mark.browser

DIVERGES: dict[str, Any] = {
    "recipe": 1,
    "data": {"source": "inline", "inputs": [[[3e38, 3e38]]] * 40, "labels": ["a", "b"] * 20},
    "model": {"layers": [{"type": "flatten"}]},
    "training": {"batch_size": 2},
}
"""A recipe that can work as far as anybody can see, until its numbers are multiplied."""

ACTIONS = ("pause", "resume", "stop", "abort", "playground", "new-model", "reset", "clear")

# Counts, before anything of the page runs, what costs the main thread.
COUNTERS = """
globalThis.counted = { draws: 0, frames: 0, announced: 0 };
const raf = globalThis.requestAnimationFrame.bind(globalThis);
globalThis.requestAnimationFrame = (heard) => raf((time) => { counted.frames += 1; heard(time); });
addEventListener("DOMContentLoaded", () => {
  const { join } = uPlot;
  uPlot.join = (...given) => { counted.draws += 1; return join(...given); };
  const announcer = document.getElementById("announcer");
  new MutationObserver(() => { counted.announced += 1; }).observe(announcer, { childList: true });
});
"""


def text(page: Page, test_id: str) -> str:
    return page.get_by_test_id(test_id).inner_text()


def actions(page: Page) -> str:
    """The buttons of the control panel that can be seen, in their order."""
    return " ".join(name for name in ACTIONS if page.get_by_test_id(name).is_visible())


def until_status(visit: Visit, words: str) -> None:
    visit.until(lambda: words in text(visit.page, "status"), f"the status {words!r}")


def counted(page: Page) -> dict[str, int]:
    found: dict[str, int] = page.evaluate("() => ({ ...counted })")
    return found


def ask_after_a_reload(visit: Visit) -> None:
    """Runs that a reload cuts off stay interrupted until somebody takes them up."""
    visit.go("settings").get_by_test_id("on-reload-ask").check()
    visit.go("dashboard")


# --- the control panel ---------------------------------------------------------------------


def test_before_anything_is_trained_the_dashboard_says_what_it_waits_for(visit: Visit) -> None:
    page = visit.go("dashboard")
    assert text(page, "status") == "Nothing on the stove yet."
    assert text(page, "figures-waiting") == "Waiting for training data…"
    assert text(page, "chart-fresh") == "Nothing to draw."
    assert actions(page) == "new-model"
    assert page.get_by_test_id("status-bar").is_hidden()
    page.get_by_test_id("new-model").click()
    expect(page.get_by_test_id("view-create")).to_be_visible()


def test_each_state_of_a_run_has_its_words_and_its_buttons(visit: Visit) -> None:
    page = visit.go("dashboard")
    key = visit.start(LONG)
    visit.until_step(key, 5)
    until_status(visit, "Cooking.")
    assert actions(page) == "pause stop abort"
    page.get_by_test_id("pause").click()
    until_status(visit, "Paused at step")
    assert actions(page) == "resume stop abort"
    page.get_by_test_id("resume").click()
    until_status(visit, "Cooking.")
    page.get_by_test_id("stop").click()
    until_status(visit, "Stopped at step")
    assert actions(page) == "resume abort clear"
    stopped = visit.hook("operation", key)
    assert stopped["checkpoint"] == stopped["step"]
    assert "nothing was lost" in text(page, "panel-notes")
    page.get_by_test_id("resume").click()
    visit.until_step(key, stopped["step"] + 5)
    waiting = visit.start(TINY)
    expect(page.get_by_test_id("show-1")).to_be_visible()
    page.get_by_test_id("show-0").click()
    until_status(visit, "Waiting for its turn; it starts by itself.")
    assert actions(page) == "stop abort"
    assert visit.hook("stop", waiting)["status"] == "stopped"
    until_status(visit, "Stopped at step 0.")
    assert "from the start" in text(page, "panel-notes")
    visit.hook("stop", key)


def test_a_completed_run_leads_to_the_playground(visit: Visit) -> None:
    page = visit.go("dashboard")
    done = visit.train(TINY)
    until_status(visit, "Done after")
    assert f"checkpoint at step {done['steps']}" in text(page, "status")
    assert actions(page) == "playground new-model clear"
    page.get_by_test_id("playground").click()
    expect(page.get_by_test_id("view-playground")).to_be_visible()


def test_abort_asks_first_and_escape_is_no(visit: Visit) -> None:
    page = visit.go("dashboard")
    key = visit.start(LONG)
    visit.until_step(key, 5)
    page.get_by_test_id("abort").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("confirm")).to_be_visible()
    expect(page.get_by_test_id("confirm-no")).to_be_focused()
    for _ in range(4):
        page.keyboard.press("Tab")
        inside = "() => document.activeElement === document.body"
        inside += " || document.getElementById('confirm').contains(document.activeElement)"
        assert page.evaluate(inside), "the focus stays in the question"
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("confirm")).to_be_hidden()
    expect(page.get_by_test_id("abort")).to_be_focused()
    assert visit.hook("operation", key)["status"] == "running"
    page.keyboard.press("Enter")
    page.get_by_test_id("confirm-yes").click()
    until_status(visit, "Aborted at step")
    assert visit.hook("operation", key)["status"] == "aborted"
    assert "is kept as a checkpoint" in text(page, "panel-notes")
    assert actions(page) == "new-model clear"


def test_clear_asks_first_and_takes_the_run_out_of_the_list(visit: Visit) -> None:
    page = visit.go("dashboard")
    visit.train(TINY)
    until_status(visit, "Done after")
    page.get_by_test_id("clear").click()
    page.get_by_test_id("confirm-no").click()
    assert len(visit.hook("operations")) == 1
    page.get_by_test_id("clear").click()
    page.get_by_test_id("confirm-yes").click()
    until_status(visit, "Nothing on the stove yet.")
    assert visit.hook("operations") == []
    assert page.get_by_test_id("earlier").locator("tbody tr").count() == 0
    expect(page.get_by_role("heading", name="Let it cook")).to_be_focused()


def test_a_failed_run_says_why_in_which_family_and_what_to_do(visit: Visit) -> None:
    page = visit.go("dashboard")
    visit.hook("wait", visit.start(DIVERGES), "failed")
    until_status(visit, "Failed at step")
    assert actions(page) == "new-model reset"
    assert text(page, "fault-family") == "Something went wrong on the way"
    assert "Try a smaller learning rate" in text(page, "fault-message")
    assert text(page, "fault-way-out") == "Choose a smaller learning rate, and train again."
    page.get_by_test_id("reset").click()
    expect(page.get_by_test_id("view-create")).to_be_visible()
    assert visit.hook("operations") == []


def test_a_run_that_a_reload_cut_off_says_from_where_it_can_go_on(visit: Visit) -> None:
    ask_after_a_reload(visit)
    key = visit.start(LONG)
    visit.until(lambda: visit.hook("operation", key)["checkpoint"], "a checkpoint")
    visit.open("#/dashboard")
    until_status(visit, "Interrupted at step")
    page = visit.page
    assert actions(page) == "resume abort clear"
    # The small record may lag behind: the database has the last word.
    goes_on = "It can go on from its checkpoint at step"
    visit.until(lambda: goes_on in text(page, "panel-notes"), "the checkpoint")
    visit.until(lambda: text(page, "chart-fresh") == "From the last visit.", "the kept curves")
    page.get_by_test_id("charts").scroll_into_view_if_needed()
    expect(page.get_by_test_id("chart-loss").locator("canvas")).to_have_count(1)
    page.get_by_test_id("resume").click()
    visit.until(lambda: "Resumed at step" in text(page, "panel-notes"), "the run to go on")
    visit.until(lambda: text(page, "chart-fresh") == "Up to date.", "new points")
    assert visit.hook("stop", key)["status"] == "stopped"


def test_a_run_of_another_tab_is_said_and_cannot_be_taken_up_here(visit: Visit) -> None:
    key = visit.start(LONG)
    visit.until(lambda: visit.hook("operation", key)["checkpoint"], "a checkpoint")
    other = Visit(visit.page.context.new_page(), visit.url).open("#/dashboard")
    until_status(other, "Another tab trains this.")
    assert actions(other.page) == "new-model"
    assert other.page.get_by_test_id("resume-0").is_hidden()
    assert other.unexpected() == []
    assert visit.hook("stop", key)["status"] == "stopped"


def test_a_page_that_trains_by_itself_says_so_and_can_try_a_worker_again(
    dist: Path, tmp_path: Path, new_visit: Callable[..., Visit]
) -> None:
    site = Path(shutil.copytree(dist, tmp_path / "site"))
    script = site / "workers" / "kitchen.js"
    hidden = script.rename(site / "hidden")
    with Server(site, base=SUB_PATH) as server:
        visit = new_visit(server.url)
        visit.expected += ["Failed to load resource"]
        page = visit.open("#/dashboard").page
        expect(page.get_by_test_id("fallback")).to_contain_text("the page trains by itself")
        hidden.rename(script)
        page.get_by_test_id("retry-worker").click()
        expect(page.get_by_test_id("fallback")).to_be_hidden(timeout=60_000)
        expect(page.get_by_test_id("retry-worker")).to_be_hidden()
        assert visit.state("mode") == "worker"


def test_a_page_that_was_asked_to_train_by_itself_offers_no_worker(
    new_visit: Callable[..., Visit], served: str
) -> None:
    page = new_visit(served).open("?worker=off#/dashboard").page
    expect(page.get_by_test_id("fallback")).to_be_visible()
    expect(page.get_by_test_id("retry-worker")).to_be_hidden()


# --- figures, log, list ----------------------------------------------------------------------


def test_the_figures_tell_model_progress_and_performance(visit: Visit) -> None:
    page = visit.go("dashboard")
    visit.train(TINY)
    visit.until(lambda: text(page, "figure-epoch") == "2 of 2", "the last figures")
    assert page.get_by_test_id("figures-waiting").is_hidden()
    assert text(page, "figure-parameters") == "810"
    assert text(page, "figure-memory") == "3.2 kB"
    assert text(page, "figure-checkpoint") == "step 90"
    assert (text(page, "figure-backend"), text(page, "figure-thread")) == (
        "wasm (relaxed)",
        "worker",
    )
    page.get_by_text("Layers", exact=True).click()
    rows = page.get_by_test_id("layers").locator("tr")
    assert rows.first.inner_text().split("\t") == ["conv2d_1", "6 × 6 × 8", "80"]


def test_the_log_streams_and_is_filtered_copied_and_downloaded(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = new_visit(served, permissions=["clipboard-read", "clipboard-write"])
    page = visit.open("#/dashboard").page
    visit.train({**TINY, "name": "<b>bold</b>"})
    lines = page.get_by_test_id("logs").locator(".log")
    visit.until(lambda: "completed" in (text(page, "logs") if lines.count() else ""), "the log")
    assert page.get_by_test_id("logs-waiting").is_hidden()
    first = lines.first.element_handle()
    visit.train(TINY)
    visit.until(lambda: text(page, "logs").count("completed") == 2, "the second run")
    assert first is not None
    assert first.evaluate("(line) => line.isConnected"), "lines are appended, never made anew"
    page.get_by_test_id("log-copy").click()
    expect(page.get_by_test_id("log-said")).to_have_text("Copied.")
    assert "completed" in page.evaluate("() => navigator.clipboard.readText()")
    with page.expect_download() as waiting:
        page.get_by_test_id("log-download").click()
    records = [json.loads(line) for line in Path(waiting.value.path()).read_text().splitlines()]
    assert waiting.value.suggested_filename.endswith(".jsonl")
    assert set(records[0]) == {"time", "level", "source", "operation", "message"}
    page.get_by_test_id("log-level").select_option("error")
    visit.until(lambda: lines.count() == 0, "only errors")
    assert text(page, "log-errors") == ""


def test_where_a_page_may_not_copy_the_lines_are_selected(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = new_visit(served)
    visit.page.add_init_script(
        "Object.defineProperty(navigator, 'clipboard', { value: undefined })"
    )
    page = visit.open("#/dashboard").page
    visit.train(TINY)
    visit.until(lambda: page.get_by_test_id("logs").is_visible(), "the log")
    page.get_by_test_id("log-copy").click()
    expect(page.get_by_test_id("log-said")).to_contain_text("Ctrl+C")
    assert "completed" in page.evaluate("() => getSelection().toString()")


def test_a_reader_who_scrolls_up_in_the_log_is_left_alone(visit: Visit) -> None:
    page = visit.go("dashboard")
    key = visit.start(LONG)
    logs = page.get_by_test_id("logs")
    visit.until(lambda: logs.locator(".log").count() > 20, "a log that scrolls")
    assert logs.evaluate("(log) => log.scrollTop") > 0
    logs.evaluate("(log) => { log.scrollTop = 0; }")
    expect(page.get_by_test_id("log-newest")).to_be_visible()
    count = logs.locator(".log").count()
    visit.until(lambda: logs.locator(".log").count() > count, "more lines")
    assert logs.evaluate("(log) => log.scrollTop") == 0
    page.get_by_test_id("log-newest").click()
    expect(page.get_by_test_id("log-newest")).to_be_hidden()
    assert visit.hook("stop", key)["status"] == "stopped"


def test_a_run_of_the_list_is_shown_and_goes_on(visit: Visit) -> None:
    page = visit.go("dashboard")
    first = visit.start({**LONG, "name": "first"})
    visit.until_step(first, 5)
    assert visit.hook("stop", first)["status"] == "stopped"
    visit.train({**TINY, "name": "second"})
    until_status(visit, "Done after")
    page.get_by_test_id("show-1").click()
    until_status(visit, "Stopped at step")
    assert page.get_by_test_id("show-1").get_attribute("aria-pressed") == "true"
    page.get_by_test_id("resume-1").click()
    until_status(visit, "Cooking.")
    assert visit.hook("stop", first)["status"] == "stopped"


# --- curves ------------------------------------------------------------------------------------


def test_the_charts_are_read_off_and_zoomed_with_keys(visit: Visit) -> None:
    page = visit.go("dashboard")
    visit.train(TINY)
    visit.until(lambda: text(page, "chart-fresh") == "The whole run, as it ended.", "the end")
    chart = page.get_by_test_id("chart-loss")
    chart.focus()
    visit.until(lambda: chart.locator("canvas").count() == 1, "the chart")
    page.keyboard.press("ArrowLeft")
    visit.until(lambda: text(page, "chart-loss-cursor").startswith("Step 90: training"), "the end")
    page.keyboard.press("ArrowLeft")
    visit.until(lambda: text(page, "chart-loss-cursor").startswith("Step 89:"), "the one before")
    assert text(page, "chart-accuracy-cursor").startswith("Step 89:")
    assert page.get_by_test_id("chart-loss-cursor").get_attribute("aria-live") == "polite"
    reset = page.get_by_test_id("zoom-reset")
    assert reset.get_attribute("aria-disabled") == "true"
    page.keyboard.press("+")
    visit.until(lambda: reset.get_attribute("aria-disabled") == "false", "the zoom")
    page.keyboard.press("Home")
    visit.until(lambda: reset.get_attribute("aria-disabled") == "true", "the whole run")


def test_the_charts_are_zoomed_by_dragging_and_shown_whole_by_a_double_click(visit: Visit) -> None:
    page = visit.go("dashboard")
    visit.train(TINY)
    chart = page.get_by_test_id("chart-accuracy")
    chart.scroll_into_view_if_needed()
    visit.until(lambda: chart.locator("canvas").count() == 1, "the chart")
    box = chart.locator(".u-over").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], middle, steps=5)
    page.mouse.up()
    reset = page.get_by_test_id("zoom-reset")
    visit.until(lambda: reset.get_attribute("aria-disabled") == "false", "the zoom")
    visit.until(lambda: text(page, "chart-accuracy-cursor").startswith("Step"), "the values")
    page.mouse.dblclick(box["x"] + 0.5 * box["width"], middle)
    visit.until(lambda: reset.get_attribute("aria-disabled") == "true", "the whole run")


def test_the_curves_are_told_in_words_and_as_a_table(visit: Visit) -> None:
    page = visit.go("dashboard")
    done = visit.train(TINY)
    page.get_by_test_id("charts").scroll_into_view_if_needed()
    visit.until(lambda: "after epoch 2" in text(page, "chart-loss-words"), "the words")
    assert "at step 90, falling." in text(page, "chart-loss-words")
    page.get_by_text("The epochs as a table").click()
    rows = page.get_by_test_id("epochs-table").locator("tr")
    visit.until(lambda: rows.count() == 2, "the table")
    score = done["validation"]
    assert f"{score['loss']:.4f}" in rows.last.inner_text()
    assert f"{100 * score['accuracy']:.1f} %" in rows.last.inner_text()


def test_an_earlier_run_is_drawn_beside_and_the_choices_redraw(visit: Visit) -> None:
    page = visit.go("dashboard")
    visit.train({**TINY, "name": "<i>old</i>"})
    visit.train(TINY)
    page.get_by_test_id("compare-1").check()
    page.get_by_test_id("charts").scroll_into_view_if_needed()
    keys = page.get_by_test_id("chart-keys").locator("li")
    visit.until(lambda: keys.count() == 3, "the key of the other run")
    assert keys.last.inner_text() == "<i>old</i>"
    pixels = "(canvas) => canvas.toDataURL()"
    canvas = page.get_by_test_id("chart-loss").locator("canvas")
    for change in (
        lambda: page.get_by_test_id("chart-per-epoch").check(),
        lambda: page.get_by_test_id("chart-per-step").check(),
        lambda: page.get_by_test_id("chart-smoothing").fill("90"),
        lambda: page.emulate_media(color_scheme="dark"),
        lambda: page.get_by_test_id("compare-1").uncheck(),
    ):
        before = canvas.evaluate(pixels)
        change()
        visit.until(lambda before=before: canvas.evaluate(pixels) != before, "another picture")


def test_the_curves_are_drawn_once_a_frame_and_only_while_they_are_seen(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = new_visit(served)
    visit.page.add_init_script(COUNTERS)
    page = visit.open("#/dashboard").page
    key = visit.start(LONG)
    page.get_by_test_id("charts").scroll_into_view_if_needed()
    visit.until(lambda: counted(page)["draws"] > 20, "the charts to be drawn")
    before = counted(page)
    visit.until_step(key, visit.hook("operation", key)["step"] + 500)
    after = counted(page)
    assert after["draws"] - before["draws"] <= 2 * (after["frames"] - before["frames"])
    visit.go("create")
    step = visit.hook("operation", key)["step"]
    hidden = counted(page)["draws"]
    visit.until_step(key, step + 500)
    assert counted(page)["draws"] == hidden
    # A screen reader hears of tenths, not of steps.
    assert counted(page)["announced"] < 10
    assert visit.hook("stop", key)["status"] == "stopped"


# --- the status bar and the title --------------------------------------------------------------


@pytest.mark.parametrize("view", ["welcome", "create", "dashboard", "playground", "settings"])
def test_the_status_bar_is_on_every_view_and_leads_to_the_dashboard(
    visit: Visit, view: str
) -> None:
    page = visit.go(view)
    key = visit.start(LONG)
    expect(page.get_by_test_id("status-bar")).to_be_visible()
    visit.until_step(key, 5)
    page.get_by_test_id("bar-pause-0").click()
    expect(page.get_by_test_id("bar-resume-0")).to_be_focused()
    page.get_by_test_id("bar-resume-0").click()
    expect(page.get_by_test_id("bar-pause-0")).to_be_focused()
    page.get_by_test_id("bar-show-0").click()
    expect(page.get_by_test_id("view-dashboard")).to_be_visible()
    page.get_by_test_id("bar-stop-0").click()
    expect(page.get_by_test_id("status-bar")).to_be_hidden()
    assert visit.hook("operation", key)["status"] == "stopped"


def test_the_status_bar_moves_nothing_and_lets_the_focus_be_seen(visit: Visit) -> None:
    page = visit.go("create")
    heading = "() => document.getElementById('create-title').getBoundingClientRect().top"
    before = page.evaluate(heading)
    key = visit.start(LONG)
    expect(page.get_by_test_id("status-bar")).to_be_visible()
    assert page.evaluate(heading) == before
    visit.until(
        lambda: page.evaluate(
            """() => parseFloat(getComputedStyle(document.documentElement).scrollPaddingBottom)
                >= document.getElementById("status-bar").offsetHeight"""
        ),
        "room below what is scrolled to",
    )
    assert visit.hook("stop", key)["status"] == "stopped"


def test_the_status_bar_folds_on_a_small_screen(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = new_visit(served, viewport={"width": 320, "height": 640})
    page = visit.open("#/dashboard").page
    key = visit.start(LONG)
    fold = page.get_by_test_id("status-bar-fold")
    expect(fold).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_test_id("bar-stop-0")).to_be_hidden()
    fold.click()
    expect(fold).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_test_id("bar-stop-0")).to_be_visible()
    fold.click()
    expect(page.get_by_test_id("bar-stop-0")).to_be_hidden()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 320
    assert visit.hook("stop", key)["status"] == "stopped"


def test_the_tab_s_title_tells_progress_and_end_and_is_given_back(visit: Visit) -> None:
    page = visit.go("dashboard")
    key = visit.start(LONG)
    visit.until_step(key, 5)
    visit.until(lambda: page.title() == "0 % · Dashboard – Backburner", "progress in the title")
    visit.go("create")
    visit.until(lambda: page.title() == "0 % · Create – Backburner", "the view's name in it")
    visit.hook("pause", key)
    visit.until(lambda: page.title().startswith("Paused at 0 % · "), "the pause")
    visit.hook("stop", key)
    visit.until(lambda: page.title() == "Stopped · Create – Backburner", "the end")
    page.keyboard.press("Shift")
    visit.until(lambda: page.title() == "Create – Backburner", "the old title")
