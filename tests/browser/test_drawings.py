"""The visitor's own drawings: classes, examples, and a network that learns from them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import TINY, Visit
from tests.browser.test_playground import answer, draw_with_the_mouse

pytestmark = pytest.mark.browser

Strokes = list[list[tuple[float, float]]]
ON_DRAWINGS: dict[str, Any] = {
    **TINY,
    "data": {"source": "drawings"},
    "training": {"epochs": 40, "batch_size": 4},
}


def cross(luck: random.Random) -> Strokes:
    a, b = luck.uniform(0.1, 0.25), luck.uniform(0.7, 0.9)
    return [[(a, a), (b, b)], [(b, a), (a, b)]]


def box(luck: random.Random) -> Strokes:
    a, b = luck.uniform(0.1, 0.25), luck.uniform(0.7, 0.9)
    return [[(a, a), (b, a), (b, b), (a, b), (a, a)]]


def choose_drawings(visit: Visit) -> Page:
    page = visit.go("create")
    page.get_by_test_id("data-drawings").check()
    expect(page.get_by_test_id("drawings")).to_be_visible()
    return page


def name_classes(page: Page, *names: str) -> None:
    for name in names:
        page.get_by_test_id("new-class").fill(name)
        page.get_by_test_id("add-class").click()


def keep(page: Page, strokes: Strokes, at: int) -> None:
    page.get_by_test_id("drawing-pad").scroll_into_view_if_needed()
    draw_with_the_mouse(page, strokes, "drawing-pad")
    page.get_by_test_id(f"keep-{at}").click()


def counts(page: Page) -> list[str]:
    return page.locator(".drawn-classes .count").all_inner_texts()


def draw_both(visit: Visit, each: int) -> Page:
    luck = random.Random(1)
    page = choose_drawings(visit)
    name_classes(page, "cross", "box")
    for _ in range(each):
        keep(page, cross(luck), 0)
        keep(page, box(luck), 1)
    return page


def test_a_network_learns_two_classes_of_drawings_and_knows_a_new_one(visit: Visit) -> None:
    page = draw_both(visit, 5)
    assert counts(page) == ["5 drawings", "5 drawings"]
    expect(page.get_by_test_id("drawings-missing")).to_contain_text("10 drawings to learn from")
    page.get_by_test_id("preset-tiny").check()
    page.get_by_test_id("epochs").fill("40")
    page.get_by_test_id("train").click()
    visit.until(lambda: len(visit.hook("operations")) == 1, "the training")
    (operation,) = visit.hook("operations")
    assert visit.hook("wait", operation["id"])["status"] == "completed"
    visit.go("playground")
    luck = random.Random(2)
    for shape, name in ((cross, "cross"), (box, "box")):
        draw_with_the_mouse(page, shape(luck))
        assert f"says {name}," in answer(visit)
        page.get_by_test_id("playground-pad-clear").click()
    assert page.get_by_test_id("drawn-bars").locator("li").count() == 2


def test_what_is_missing_is_said_before_and_when_train_is_pressed(visit: Visit) -> None:
    page = choose_drawings(visit)
    missing, refused = page.get_by_test_id("drawings-missing"), page.get_by_test_id("recipe-error")
    expect(missing).to_contain_text("at least two classes")
    page.get_by_test_id("train").click()
    expect(refused).to_contain_text("there are no drawings yet")
    name_classes(page, "cat")
    page.get_by_test_id("train").click()
    expect(refused).to_contain_text('only one class of drawings, "cat"')
    name_classes(page, "dog")
    keep(page, cross(random.Random(1)), 0)
    expect(missing).to_have_text("Still to draw: 2 more of “cat”, 3 more of “dog”.")
    page.get_by_test_id("train").click()
    expect(refused).to_contain_text("cat")
    assert visit.hook("operations") == []
    page.get_by_test_id("keep-1").click()
    expect(page.get_by_test_id("class-problem")).to_contain_text("Draw something first")
    name_classes(page, "cat")
    expect(page.get_by_test_id("class-problem")).to_contain_text("already")


def test_drawings_survive_a_reload(visit: Visit) -> None:
    page = draw_both(visit, 2)
    page.get_by_test_id("class-name-0").fill("<b>X</b>")
    page.get_by_test_id("class-name-0").press("Enter")
    expect(page.get_by_test_id("keep-0")).to_have_text("Keep as “<b>X</b>”")
    # The last change is safe when the kitchen has answered everything before it.
    visit.ready()
    visit.hook("diagnostics")
    visit.page.wait_for_timeout(500)
    visit.page.reload()
    visit.until(lambda: visit.state("backburner") == "ready", "the page")
    page = choose_drawings(visit)
    visit.until(lambda: counts(page) == ["2 drawings", "2 drawings"], "the drawings")
    expect(page.get_by_test_id("class-name-0")).to_have_value("<b>X</b>")


def test_what_was_removed_comes_back(visit: Visit) -> None:
    page = draw_both(visit, 2)
    page.locator(".thumb").first.click()
    assert counts(page) == ["1 drawing", "2 drawings"]
    expect(page.get_by_test_id("bring-back")).to_be_focused()
    page.keyboard.press("Enter")
    assert counts(page) == ["2 drawings", "2 drawings"]
    expect(page.get_by_test_id("removed")).to_be_hidden()
    page.get_by_test_id("remove-class-0").click()
    assert counts(page) == ["2 drawings"]
    page.get_by_test_id("bring-back").click()
    assert counts(page) == ["2 drawings", "2 drawings"]


def test_the_keyboard_alone_names_a_class_and_keeps_a_drawing(visit: Visit) -> None:
    page = choose_drawings(visit)
    page.get_by_test_id("new-class").focus()
    page.keyboard.type("line")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("class-name-0")).to_have_value("line")
    page.get_by_test_id("drawing-pad").focus()
    for key in ("Space", "ArrowDown", "ArrowDown", "ArrowDown", "Space"):
        page.keyboard.press(key)
    page.get_by_test_id("keep-0").focus()
    page.keyboard.press("Enter")
    assert counts(page) == ["1 drawing"]
    expect(page.get_by_test_id("drawing-pad-said")).to_have_text("Kept as “line”: 1 drawing.")
    expect(page.get_by_test_id("keep-0")).to_be_focused()
    assert visit.hook("operations") == []


def test_a_run_goes_on_with_the_drawings_that_it_began_with(visit: Visit) -> None:
    page = draw_both(visit, 4)
    long = {**ON_DRAWINGS, "training": {"epochs": 400, "batch_size": 4}}
    undisturbed = visit.train({**long, "training": {"epochs": 60, "batch_size": 4}})
    data = visit.hook("operation", undisturbed["id"])
    assert data["status"] == "completed"
    key = visit.start(long)
    visit.until_step(key, 20)
    stopped = visit.hook("stop", key)
    assert stopped["status"] == "stopped"
    page.get_by_test_id("remove-class-1").click()
    assert counts(page) == ["4 drawings"]
    visit.hook("resume", key)
    visit.until_step(key, stopped["step"] + 5)
    assert visit.hook("stop", key)["status"] == "stopped"
    again = visit.hook("start", long)
    assert "only one class" in again["refused"]["message"]
