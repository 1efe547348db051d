"""Drawing something, by whatever means, and hearing what a network makes of it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from backburner.core.drawing import DIGITS, draw
from tests.browser.conftest import LONG, TINY, Visit, visiting

pytestmark = pytest.mark.browser

FIXTURES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "data" / "strokes.json").read_text(encoding="utf-8")
)
SMALL = {**TINY, "model": {"preset": "small"}, "training": {"epochs": 10}}
RIGHT = 0.9
"""The share of drawings that must be recognised."""

Strokes = list[list[tuple[float, float]]]
ONE: Strokes = [[(0.5, 0.1), (0.5, 0.9)]]
SEVEN: Strokes = [[(0.25, 0.15), (0.75, 0.15), (0.45, 0.9)]]


def placed(strokes: Strokes, luck: random.Random) -> Strokes:
    """A drawing somewhere on the pad, in some size: shares of the pad's side."""
    points = [point for stroke in strokes for point in stroke]
    left, top = (min(each[axis] for each in points) for axis in (0, 1))
    extent = max(max(each[axis] for each in points) - (left, top)[axis] for axis in (0, 1))
    size = luck.uniform(0.35, 0.9)
    x, y = luck.uniform(0.02, 0.98 - size), luck.uniform(0.02, 0.98 - size)
    return [
        [((px - left) / extent * size + x, (py - top) / extent * size + y) for px, py in stroke]
        for stroke in strokes
    ]


def draw_with_the_mouse(page: Page, strokes: Strokes, pad: str = "playground-pad") -> None:
    box = page.get_by_test_id(pad).bounding_box()
    assert box is not None
    for stroke in strokes:
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place)
        page.mouse.up()


def answer(visit: Visit) -> str:
    """What is said about the drawing, once it is about the whole of it."""
    page = visit.page
    # The frame after the last event takes up its ink; from then on the bars say if they are old.
    page.evaluate("() => new Promise((d) => requestAnimationFrame(() => requestAnimationFrame(d)))")
    visit.until(
        lambda: page.get_by_test_id("drawn-bars").get_attribute("aria-busy") == "false",
        "the answer",
    )
    return page.get_by_test_id("drawn-text").inner_text()


def bars(page: Page) -> list[str]:
    return page.get_by_test_id("drawn-bars").locator(".share").all_inner_texts()


def inked(page: Page) -> int:
    """How many pixels of the pad have ink."""
    return page.get_by_test_id("playground-pad").evaluate(
        """(canvas) => {
            const { width, height } = canvas;
            const copy = new OffscreenCanvas(width, height);
            const context = copy.getContext("2d", { willReadFrequently: true });
            context.drawImage(canvas, 0, 0);
            const { data } = context.getImageData(0, 0, width, height);
            return data.filter((value, at) => at % 4 === 3 && value > 127).length;
        }"""
    )


@pytest.fixture(scope="module")
def trained(browser: Browser, served: str) -> Iterator[Visit]:
    """A page where the preset `small` has learned the digits, showing the playground."""
    with visiting(browser) as make:
        visit = make(served).open("?debug=1")
        visit.train(SMALL)
        visit.go("playground")
        yield visit


@pytest.mark.parametrize("part", ["tuning", "held out"])
def test_drawings_of_many_hands_are_recognised_wherever_and_however_large(
    trained: Visit, part: str
) -> None:
    page, luck = trained.page, random.Random(1)
    drawings = [each for each in FIXTURES if each["part"] == part]
    wrong = []
    for at, drawing in enumerate(drawings):
        # The pad is as wide as its column: 22 rem, or what a phone has.
        if at % 20 == 0:
            page.set_viewport_size({"width": (1280, 340, 480)[at // 20 % 3], "height": 900})
            page.get_by_test_id("playground-pad").scroll_into_view_if_needed()
        # A hand at its fastest leaves a point or two a centimetre.
        coarse = [[*stroke[:-1:2], stroke[-1]] for stroke in drawing["strokes"]]
        draw_with_the_mouse(page, placed(coarse, luck))
        said = answer(trained)
        if f"says {drawing['digit']}," not in said:
            wrong.append(f"{drawing['digit']} {drawing['style']}: {said}")
        page.get_by_test_id("playground-pad-clear").click()
    share = 1 - len(wrong) / len(drawings)
    print(f"\n{part}: {share:.1%} of {len(drawings)}; not: {wrong}")
    assert share >= RIGHT, wrong


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_other_seeds_recognise_as_many(trained: Visit, seed: int) -> None:
    key = trained.train({**SMALL, "seed": seed})["id"]
    right: dict[str, list[bool]] = {}
    for drawing in FIXTURES:
        picture = draw(drawing["strokes"], DIGITS)
        assert picture is not None
        label = trained.hook("predict", key, picture.blocks(8))["label"]
        for group in ("all", drawing["digit"], drawing["part"]):
            right.setdefault(group, []).append(label == drawing["digit"])
    shares = {group: sum(each) / len(each) for group, each in sorted(right.items())}
    print(f"\nseed {seed}: " + ", ".join(f"{group} {share:.0%}" for group, share in shares.items()))
    assert shares["all"] >= RIGHT


def test_without_a_network_the_way_to_one_is_shown(visit: Visit) -> None:
    page = visit.go("playground")
    expect(page.get_by_test_id("no-network")).to_be_visible()
    expect(page.get_by_test_id("network")).to_be_hidden()
    draw_with_the_mouse(page, ONE)
    expect(page.get_by_test_id("drawn-text")).to_contain_text("Nobody looks at it yet")
    page.get_by_test_id("playground-create").click()
    expect(page.get_by_test_id("view-create")).to_be_visible()


def test_the_bars_move_while_the_hand_does_and_while_the_network_learns(visit: Visit) -> None:
    page = visit.page
    key = visit.start(LONG)
    visit.until_step(key, 5)
    visit.go("playground")
    box = page.get_by_test_id("playground-pad").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 42, steps=5)
    visit.until(lambda: any(share != "–" for share in bars(page)), "bars for half a drawing")
    seen = page.get_by_test_id("network-sees")
    half = seen.screenshot()
    page.mouse.move(box["x"] + 90, box["y"] + 250, steps=5)
    visit.until(lambda: seen.screenshot() != half, "the picture to follow the hand")
    page.mouse.up()
    before = bars(page)
    visit.until(lambda: bars(page) != before, "the bars to follow the training")
    assert visit.hook("operation", key)["status"] == "running"
    visit.hook("stop", key)


def test_predictions_of_a_drawing_change_nothing_in_the_training(
    new_visit: Callable[..., Visit], served: str
) -> None:
    recipe = {**TINY, "training": {"epochs": 20}}
    quiet = new_visit(served).open()
    undisturbed = quiet.hook("weights", quiet.train(recipe)["id"])
    asking = new_visit(served).open()
    asking.go("playground")
    key = asking.start(recipe)
    draw_with_the_mouse(asking.page, SEVEN)
    expect(asking.page.get_by_test_id("drawn-text")).to_contain_text("says")
    assert asking.hook("wait", key)["status"] == "completed"
    assert asking.hook("weights", key)["sha256"] == undisturbed["sha256"]


def test_a_finger_draws_and_does_not_scroll(new_visit: Callable[..., Visit], served: str) -> None:
    visit = new_visit(served, has_touch=True, viewport={"width": 360, "height": 640}).open()
    page = visit.go("playground")
    page.get_by_test_id("playground-pad").scroll_into_view_if_needed()
    box = page.get_by_test_id("playground-pad").bounding_box()
    assert box is not None
    scrolled = page.evaluate("() => scrollY")
    hand = page.context.new_cdp_session(page)
    x, y = box["x"] + box["width"] / 2, box["y"] + 20

    def touch(kind: str, *points: dict[str, float]) -> None:
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    touch("touchStart", {"x": x, "y": y, "id": 1})
    for far in range(20, 200, 20):
        # A second finger rests on the pad, and draws nothing.
        touch("touchMove", {"x": x, "y": y + far, "id": 1}, {"x": x + 60, "y": y, "id": 2})
    touch("touchEnd")
    pad = page.get_by_test_id("playground-pad")
    expect(pad).to_have_attribute("aria-label", "Drawing pad. 1 stroke is drawn.")
    assert page.evaluate("() => scrollY") == scrolled


def test_the_keyboard_alone_draws_a_digit_that_is_recognised(trained: Visit) -> None:
    page = trained.page
    page.set_viewport_size({"width": 1280, "height": 900})
    pad, said = page.get_by_test_id("playground-pad"), page.get_by_test_id("playground-pad-said")
    page.get_by_test_id("network").focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_test_id("playground-pad-clear")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    expect(pad).to_be_focused()
    keys = page.keyboard
    keys.press("ArrowUp")
    expect(said).to_have_text("Row 4, column 9, pen up")
    for _ in range(4):
        keys.press("ArrowLeft")
    keys.press("Space")
    expect(said).to_have_text("Row 4, column 5, pen down")
    keys.press("Shift+ArrowRight")
    keys.press("Shift+ArrowRight")
    for _ in range(5):
        keys.press("End")
    for _ in range(5):
        keys.press("ArrowDown")
    keys.press("Enter")
    expect(said).to_have_text("Row 14, column 8, pen up")
    assert "says 7," in answer(trained)
    # In the end it is read out, once.
    expect(said).to_contain_text("says 7,")
    keys.press("Backspace")
    expect(pad).to_have_attribute("aria-label", "Drawing pad. Nothing is drawn.")
    keys.press("Tab")
    expect(page.get_by_test_id("playground-pad-undo")).to_be_focused()


def test_what_was_cleared_comes_back(trained: Visit) -> None:
    page, pad = trained.page, trained.page.get_by_test_id("playground-pad")
    draw_with_the_mouse(page, ONE)
    expect(pad).to_have_attribute("aria-label", "Drawing pad. 1 stroke is drawn.")
    ink = inked(page)
    page.get_by_test_id("playground-pad-clear").click()
    expect(pad).to_have_attribute("aria-label", "Drawing pad. Nothing is drawn.")
    assert bars(page) == ["–"] * 10
    assert inked(page) == 0 < ink
    page.get_by_test_id("playground-pad-undo").click()
    expect(pad).to_have_attribute("aria-label", "Drawing pad. 1 stroke is drawn.")
    # Drawn in one go its edges are smoother than stroke by stroke: a few pixels in a thousand.
    assert inked(page) == pytest.approx(ink, rel=0.02)
    page.get_by_test_id("playground-pad-undo").click()


def test_another_network_can_be_asked(trained: Visit) -> None:
    page = trained.page
    other = trained.train({**TINY, "name": "a <b>hasty</b> one"})["id"]
    choice = page.get_by_test_id("network")
    expect(choice).to_have_value(other)
    assert "a <b>hasty</b> one" in choice.locator("option").first.inner_text()
    draw_with_the_mouse(page, SEVEN)
    first = answer(trained), bars(page)
    choice.select_option(index=1)
    trained.until(lambda: (answer(trained), bars(page)) != first, "the other's answer")
    page.get_by_test_id("playground-pad-clear").click()


def test_a_network_that_no_drawing_can_be_shown_to_says_so(visit: Visit) -> None:
    inputs = [[[each % 2] * 5] * 3 for each in range(40)]
    visit.train(
        {
            **TINY,
            "data": {"source": "inline", "inputs": inputs, "labels": [0, 1] * 20},
            "model": {"layers": [{"type": "flatten"}]},
            "training": {"epochs": 1, "batch_size": 8},
        }
    )
    page = visit.go("playground")
    draw_with_the_mouse(page, ONE)
    expect(page.get_by_test_id("drawn-problem")).to_contain_text("5 × 3")
