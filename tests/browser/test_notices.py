"""What goes wrong is said, where it went wrong, and the rest of the page lives on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from backburner.core.state import PARTS
from tests.browser.conftest import LONG, TINY, Visit

pytestmark = pytest.mark.browser


def test_a_view_that_cannot_be_drawn_says_so_and_the_rest_lives(visit: Visit) -> None:
    page = visit.page
    page.evaluate("() => { globalThis.taken = document.getElementById('queue-hint'); }")
    page.evaluate("() => taken.remove()")
    running = visit.start(LONG)
    visit.until_step(running, 5)
    visit.go("create")
    fault = page.get_by_test_id("fault-create")
    expect(fault).to_contain_text("The page itself has tripped")
    expect(fault.locator(".detail")).to_contain_text("queue-hint")
    visit.go("dashboard")
    step = page.get_by_test_id("figure-step").inner_text()
    visit.until(lambda: page.get_by_test_id("figure-step").inner_text() != step, "the dashboard")
    assert page.get_by_test_id("fault-dashboard").count() == 0

    visit.go("create")
    fault.get_by_role("button").click()
    expect(fault).to_be_visible()
    page.evaluate("() => document.getElementById('go').append(taken)")
    fault.get_by_role("button").click()
    expect(fault).to_be_hidden()
    expect(page.get_by_test_id("queue-hint")).to_contain_text("under way")
    visit.hook("stop", running)


def test_a_refusal_stands_beside_its_field_in_the_language_of_the_page(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = new_visit(served).open("?lang=de#/create")
    page = visit.page
    page.get_by_test_id("epochs").fill("0")
    page.get_by_test_id("train").click()
    problem = page.get_by_test_id("recipe-error")
    expect(problem).to_contain_text("So eingestellt kann es nicht gehen")
    expect(problem).to_contain_text("Ändere die genannte Einstellung")
    expect(problem.locator("[lang=en]").first).to_contain_text("training.epochs")
    after_field = "() => document.querySelector('label:has([name=epochs])').nextElementSibling.id"
    assert page.evaluate(after_field) == "recipe-error"


def test_an_exception_that_nobody_caught_is_shown(visit: Visit) -> None:
    visit.expected.append("a wild fault")
    visit.page.evaluate("() => { setTimeout(() => { throw new Error('a wild fault'); }); }")
    notice = visit.page.get_by_test_id("notice")
    expect(notice).to_contain_text("The page itself has tripped")
    expect(notice.locator(".detail")).to_contain_text("a wild fault")
    notice.get_by_role("button").click()
    expect(notice).to_be_hidden()


def test_each_part_of_the_start_says_how_it_is(visit: Visit) -> None:
    for part in PARTS:
        row = visit.page.get_by_test_id(f"part-{part}")
        expect(row).to_have_attribute("data-state", "ready", timeout=60_000)
        expect(row).to_contain_text("ready")
        expect(visit.page.get_by_test_id(f"retry-{part}")).to_be_hidden()


def test_a_part_that_fails_names_itself_and_is_tried_again_alone(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = new_visit(served)
    visit.expected += ["tfjs", "Failed to load resource"]
    visit.page.context.route("**/tfjs/*", lambda route: route.abort())
    visit.open()
    page = visit.page
    row = page.get_by_test_id("part-tensorflow")
    expect(row).to_have_attribute("data-state", "failed", timeout=60_000)
    height = "(list) => list.getBoundingClientRect().height"
    before = page.get_by_test_id("parts").evaluate(height)
    page.context.unroute("**/tfjs/*")
    retry = page.get_by_test_id("retry-tensorflow")
    retry.press("Enter")
    expect(row).to_have_attribute("data-state", "ready", timeout=60_000)
    expect(retry).to_be_hidden()
    assert page.get_by_test_id("parts").evaluate(height) == before
    assert visit.train(TINY)["status"] == "completed"
