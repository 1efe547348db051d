"""What a newcomer does, from the first press of Train to a recognised digit."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LONG, TINY, Visit

pytestmark = pytest.mark.browser


def shown(page: Page, test_id: str) -> str:
    return page.get_by_test_id(test_id).inner_text()


def test_a_newcomer_trains_a_network_and_it_knows_a_digit_it_has_never_seen(visit: Visit) -> None:
    page = visit.go("create")
    page.get_by_test_id("preset-small").check()
    page.get_by_test_id("epochs").fill("3")
    page.get_by_test_id("train").click()
    expect(page.get_by_test_id("view-dashboard")).to_be_visible()
    expect(page.get_by_test_id("status")).to_contain_text("Done", timeout=90_000)

    assert "Done" in shown(page, "status")
    assert shown(page, "figure-epoch") == "3 of 3"
    assert shown(page, "figure-step") == "135 of 135"
    page.get_by_test_id("charts").scroll_into_view_if_needed()
    for chart in ("chart-loss", "chart-accuracy"):
        expect(page.get_by_test_id(chart).locator("canvas")).to_have_count(1)
    expect(page.get_by_test_id("test-result")).to_be_visible()
    pictures = page.get_by_test_id("examples").locator("button")
    assert pictures.count() == 40
    assert page.locator(".example.right").count() > 30

    right = page.locator(".example.right").first
    right.click()
    expect(page.get_by_test_id("prediction")).to_be_visible()
    label = (right.get_attribute("aria-label") or "").split(", a ")[1][0]
    expect(page.get_by_test_id("prediction-text")).to_contain_text(f"The network says {label}")
    assert page.get_by_test_id("bars").locator("li").count() == 10


def test_pictures_of_the_examples_are_not_blank(visit: Visit) -> None:
    visit.train(TINY)
    page = visit.go("dashboard")
    visit.until(lambda: page.locator(".example canvas").count() == 40, "the pictures")
    inks = page.evaluate(
        """() => [...document.querySelectorAll(".example canvas")].map((canvas) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, 8, 8);
            return new Set(data).size;
        })"""
    )
    assert min(inks) > 3


def test_the_curves_and_the_snapshot_agree(visit: Visit) -> None:
    snapshot = visit.train(TINY)
    history = visit.hook("history", snapshot["id"])
    assert history["step"] == list(range(1, snapshot["steps"] + 1))
    assert len(history["loss"]) == len(history["accuracy"]) == snapshot["steps"]
    assert history["loss"][-1] == snapshot["loss"]
    assert [end["epoch"] for end in history["epochs"]] == [1, 2]
    assert history["epochs"][-1]["validation"] == snapshot["validation"]
    assert 0 < snapshot["test"]["accuracy"] <= 1


def test_a_digit_is_asked_about_while_the_network_trains(visit: Visit) -> None:
    page = visit.go("dashboard")
    key = visit.start(LONG)
    visit.until_step(key, 5)
    visit.until(lambda: page.get_by_test_id("example-2").count() == 1, "the pictures")
    page.get_by_test_id("example-2").click()
    expect(page.get_by_test_id("prediction")).to_be_visible()
    assert visit.hook("operation", key)["status"] == "running"
    bars = page.get_by_test_id("bars")
    before = bars.inner_text()
    visit.until(lambda: bars.inner_text() != before, "the bars to follow the training")
    page.get_by_test_id("stop").click()
    visit.until(lambda: "Stopped" in shown(page, "status"), "the stop")
    expect(page.get_by_test_id("stop")).to_be_hidden()


def test_pause_and_go_on_with_the_buttons(visit: Visit) -> None:
    page = visit.go("dashboard")
    key = visit.start(LONG)
    visit.until_step(key, 5)
    page.get_by_test_id("pause").click()
    expect(page.get_by_test_id("resume")).to_be_visible()
    step = visit.hook("operation", key)["step"]
    assert f"Paused at step {step:,}" in shown(page, "status")
    page.wait_for_timeout(300)
    assert visit.hook("operation", key)["step"] == step
    page.get_by_test_id("resume").click()
    visit.until_step(key, step + 5)
    assert visit.hook("stop", key)["status"] == "stopped"


def test_earlier_runs_are_listed_at_the_next_visit(visit: Visit) -> None:
    done = visit.train({**TINY, "name": "first <b>try</b>"})
    running = visit.start(LONG)
    visit.until_step(running, 5)
    visit.until(
        lambda: "running" in visit.page.evaluate("() => JSON.stringify(localStorage)"),
        "the record to be written",
    )
    visit.open()
    visit.go("dashboard")
    rows = visit.page.get_by_test_id("earlier").locator("tbody tr")
    visit.until(lambda: rows.count() == 2, "both runs")
    assert "first <b>try</b>" in rows.nth(1).inner_text()
    visit.until(lambda: "running" in rows.nth(0).inner_text(), "the run to go on")
    found = visit.hook("operation", done["id"])
    assert (found["status"], found["test"]) == ("completed", done["test"])
    assert visit.hook("stop", running)["status"] == "stopped"


def test_the_record_is_named_after_the_path_of_the_site(visit: Visit) -> None:
    visit.train(TINY)
    keys = visit.page.evaluate("() => Object.keys(localStorage)")
    assert keys == ["backburner:/any/sub/path/:records"]
    record = json.loads(visit.page.evaluate("key => localStorage.getItem(key)", keys[0]))
    assert record["schema"] == 2


def test_a_training_that_waits_is_seen_and_can_be_taken_back(visit: Visit) -> None:
    page = visit.go("dashboard")
    running, waiting = visit.start(LONG), visit.start(TINY)
    visit.until_step(running, 1)
    # The ids count rows from the top: with one row alone, the first one's is another button.
    visit.until(lambda: page.get_by_test_id("cancel-1").count() == 1, "both rows")
    visit.until(lambda: shown(page, "waiting") == "1 more waiting.", "the queue to be shown")
    page.get_by_test_id("cancel-0").click()
    visit.until(lambda: visit.hook("operation", waiting)["status"] == "stopped", "the way out")
    visit.until(lambda: shown(page, "waiting") == "", "the queue to be empty")
    visit.until_step(running, 1)
    assert visit.hook("stop", running)["status"] == "stopped"


def test_a_new_run_does_not_stand_beside_the_results_of_the_old_one(visit: Visit) -> None:
    page = visit.go("dashboard")
    visit.train(TINY)
    page.get_by_test_id("example-1").click()
    expect(page.get_by_test_id("prediction")).to_be_visible()
    running = visit.start(LONG)
    visit.until_step(running, 2)
    expect(page.get_by_test_id("test-result")).to_be_hidden()
    expect(page.get_by_test_id("prediction")).to_be_hidden()
    assert page.locator(".example.right, .example.wrong").count() == 0
    visit.hook("stop", running)


def test_the_keyboard_stays_with_the_buttons(visit: Visit) -> None:
    page = visit.go("dashboard")
    running = visit.start(LONG)
    visit.until_step(running, 2)
    page.get_by_test_id("pause").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("resume")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("pause")).to_be_focused()
    page.get_by_test_id("stop").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Let it cook")).to_be_focused()
    assert visit.hook("operation", running)["status"] == "stopped"


def test_two_quick_presses_end_with_the_answer_to_the_second(visit: Visit) -> None:
    page = visit.go("dashboard")
    visit.train(TINY)
    visit.until(lambda: page.get_by_test_id("example-9").count() == 1, "the pictures")
    page.evaluate(
        """() => {
            for (const at of [0, 1, 2, 9]) {
                document.querySelector(`[data-testid=example-${at}]`).click();
            }
        }"""
    )
    label = (page.get_by_test_id("example-9").get_attribute("aria-label") or "").split(", a ")[1]
    expect(page.get_by_test_id("prediction-text")).to_contain_text(f"This is a {label[0]}.")


def test_a_wrong_setting_is_shown_where_it_stands(visit: Visit) -> None:
    page = visit.go("create")
    page.get_by_test_id("learning-rate").evaluate("(field) => { field.value = '0'; }")
    page.get_by_test_id("train").click()
    expect(page.get_by_test_id("recipe-error")).to_contain_text("learning_rate")
    expect(page.get_by_test_id("learning-rate")).to_be_focused()
    assert page.get_by_test_id("learning-rate").get_attribute("aria-invalid") == "true"
    assert visit.hook("operations") == []
    page.get_by_test_id("learning-rate").fill("0.001")
    page.get_by_test_id("epochs").fill("1")
    page.get_by_test_id("preset-tiny").check()
    page.get_by_test_id("augmentation").check()
    page.get_by_test_id("early-stopping").check()
    page.get_by_test_id("train").click()
    visit.until(lambda: len(visit.hook("operations")) == 1, "the training")
    assert page.get_by_test_id("recipe-error").is_hidden()
    training = visit.hook("operations")[0]["recipe"]["training"]
    assert training["augmentation"] == {"shift": 0.1, "rotate": 10, "flip": False, "noise": 0.05}
    assert training["early_stopping"]["patience"] == 3


def test_the_page_can_be_read_before_any_script_runs(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = new_visit(served, java_script_enabled=False)
    visit.page.goto(served)
    assert visit.page.get_by_role("heading", name="Your network cooks").is_visible()
    assert visit.page.get_by_test_id("preset-small").is_visible()
    assert visit.page.get_by_test_id("train").is_disabled()
    assert "needs JavaScript" in visit.page.inner_text("noscript")


def test_train_pressed_at_once_starts_when_the_worker_is_there(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = new_visit(served).open()
    visit.go("create")
    visit.page.get_by_test_id("preset-tiny").check()
    visit.page.get_by_test_id("epochs").fill("1")
    visit.page.get_by_test_id("train").click()
    expect(visit.page.get_by_test_id("status")).to_contain_text("Done", timeout=60_000)
    assert len(visit.hook("operations")) == 1
