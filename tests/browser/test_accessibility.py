"""Everybody can use the page: axe-core finds nothing, the keyboard is enough, nothing jumps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import ViewportSize, expect

from backburner.core.routes import View
from backburner_site import checkout
from backburner_site.cache import Cache
from backburner_site.node import find_node
from backburner_site.parts import npm_files
from backburner_site.pins import read_pins
from backburner_site.progress import Progress
from tests.browser.conftest import TINY, Visit
from tests.browser.states import STATES, show

pytestmark = pytest.mark.browser

MOST_TABS = 60
WIDTHS: dict[str, ViewportSize] = {
    "narrow": {"width": 320, "height": 640},
    "wide": {"width": 1280, "height": 800},
}


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, pinned like every part but never shipped."""
    progress = Progress()
    (part,) = (each for each in read_pins(checkout.SITE).tools if each.name == "axe-core")
    files = npm_files(part, lambda: find_node(progress), Cache.of_user(), progress)
    return files["axe/axe.min.js"].read_text(encoding="utf-8")


def findings(visit: Visit, axe: str) -> list[str]:
    """What axe-core has to say against the page as it is now: rule and elements."""
    visit.page.evaluate(axe)
    found: list[dict[str, Any]] = visit.page.evaluate(
        "() => axe.run(document, { resultTypes: ['violations'] }).then((run) => run.violations)"
    )
    return [
        f"{visit.state('view')}: {rule['id']}: "
        + "; ".join(f"{node['target']} {node.get('failureSummary', '')}" for node in rule["nodes"])
        for rule in found
    ]


def too_wide(visit: Visit) -> list[str]:
    """Says it if the page has to be scrolled sideways."""
    across: list[int] = visit.page.evaluate(
        "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    return (
        [f"{visit.state('view')}: {across[0]} px of {across[1]}"] if across[0] > across[1] else []
    )


# The longer words are the German ones, and only there something is left in English: that is the
# language for every state. The English page has to show that it is no worse.
CASES = [(state, "de-DE") for state in STATES] + [(state, "en-GB") for state in ("fresh", "done")]


@pytest.mark.parametrize(("state", "language"), CASES)
def test_axe_finds_nothing_and_nothing_is_too_wide(
    new_visit: Callable[..., Visit], served: str, axe: str, state: str, language: str
) -> None:
    visit = new_visit(served, locale=language)
    STATES[state].reach(visit)
    found = []
    for width, scheme in (("wide", "light"), ("wide", "dark"), ("narrow", "light")):
        visit.page.set_viewport_size(WIDTHS[width])
        visit.page.emulate_media(color_scheme=scheme)
        for view in STATES[state].views:
            show(visit, view)
            found += [f"{width} {scheme} {each}" for each in findings(visit, axe) + too_wide(visit)]
    assert found == []


def test_axe_would_find_something(shared_visit: Visit, axe: str) -> None:
    shared_visit.page.evaluate("() => document.body.append(document.createElement('button'))")
    assert any("button-name" in each for each in findings(shared_visit, axe))
    shared_visit.page.evaluate("() => document.body.lastElementChild.remove()")


def focused(visit: Visit) -> str:
    return visit.page.evaluate("() => document.activeElement.dataset.testid ?? ''")


def tab_to(visit: Visit, test_id: str) -> None:
    """Presses Tab until it is there, as somebody without a mouse does."""
    for _ in range(MOST_TABS):
        if focused(visit) == test_id:
            return
        visit.page.keyboard.press("Tab")
    pytest.fail(f"{test_id} is not reached within {MOST_TABS} tabs; now at {focused(visit)}")


def test_the_main_job_is_done_with_the_keyboard_alone(visit: Visit) -> None:
    page = visit.page
    tab_to(visit, "begin")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("view-create")).to_be_visible()
    tab_to(visit, "preset-small")
    page.keyboard.press("ArrowUp")
    expect(page.get_by_test_id("preset-tiny")).to_be_checked()
    tab_to(visit, "epochs")
    page.keyboard.type("1000")
    tab_to(visit, "train")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("view-dashboard")).to_be_visible()
    visit.until(lambda: visit.hook("operations")[0]["step"] > 5, "the training")
    tab_to(visit, "stop")
    page.keyboard.press("Enter")
    visit.until(lambda: visit.hook("operations")[0]["status"] == "stopped", "the stop")


def shift(visit: Visit) -> float:
    """How much of the page has moved by itself since it was first painted."""
    return visit.page.evaluate(
        """() => new Promise((resolve) => {
            let sum = 0;
            const observer = new PerformanceObserver((list) => {
                for (const entry of list.getEntries()) {
                    if (!entry.hadRecentInput) sum += entry.value;
                }
            });
            observer.observe({ type: "layout-shift", buffered: true });
            requestAnimationFrame(() => setTimeout(() => resolve(sum), 100));
        })"""
    )


def test_nothing_moves_where_the_address_asks_for_no_worker(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = new_visit(served, locale="de-DE").open("?worker=off")
    expect(visit.page.get_by_test_id("fallback")).to_be_visible()
    visit.ready()
    assert shift(visit) == 0


@pytest.mark.parametrize("language", ["en-GB", "de-DE"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_moves_between_the_first_paint_and_readiness(
    new_visit: Callable[..., Visit], served: str, width: str, language: str
) -> None:
    visit = new_visit(served, viewport=WIDTHS[width], locale=language)
    for view in View:
        visit.page.goto("about:blank")
        visit.open(f"#/{view}")
        visit.ready()
        assert shift(visit) == 0, view
    visit.train({**TINY, "training": {"epochs": 1}})
    visit.page.goto("about:blank")
    visit.open("#/welcome").ready()
    assert shift(visit) == 0
    visit.page.evaluate("() => document.querySelector('main').prepend('moved '.repeat(100))")
    assert shift(visit) > 0


def test_what_can_be_pressed_is_large_enough_for_a_finger(shared_visit: Visit) -> None:
    for view in (View.WELCOME, View.CREATE, View.SETTINGS):
        shared_visit.go(view)
        small = shared_visit.page.evaluate(
            """() => [...document.querySelectorAll(
                "button, .button, .nav a, .brand, summary, .choice, select, input[type=number]"
            )].filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 44)
              .map((each) => each.outerHTML)"""
        )
        assert small == []
