"""The list of test ids in docs/HOOK.md and the page are the same."""

from __future__ import annotations

import re

import pytest

from backburner_site import checkout
from tests.browser.conftest import LONG, TINY, Visit

pytestmark = pytest.mark.browser


def test_the_listed_test_ids_are_those_of_the_page(visit: Visit) -> None:
    text = (checkout.ROOT / "docs" / "HOOK.md").read_text(encoding="utf-8")
    table = text[text.index("## Test ids") :]
    listed = set(re.findall(r"`([a-zA-Z-]+)`(?=[^|]*\|)", table.split("|---|---|")[1]))
    visit.go("dashboard")
    running, waiting = visit.start(LONG), visit.start(TINY)
    visit.until(lambda: visit.page.get_by_test_id("example-0").count() == 1, "the pictures")
    visit.until(lambda: visit.page.get_by_test_id("cancel-0").count() == 1, "the queue")
    for part, filled in (("inside-layers", "outputs-0"), ("inside-answers", "cell-0")):
        visit.page.get_by_test_id(part).locator("summary").click()
        visit.page.get_by_test_id(part).scroll_into_view_if_needed()
        visit.page.get_by_test_id(filled).wait_for()
    page = visit.go("create")
    page.get_by_test_id("data-drawings").check()
    page.get_by_test_id("new-class").fill("cat")
    page.get_by_test_id("add-class").click()
    found = page.evaluate(
        "() => [...document.querySelectorAll('[data-testid]')].map((each) => each.dataset.testid)"
    )
    assert {re.sub(r"-\d+$", "-N", each) for each in found} == listed
    for key in (waiting, running):
        assert visit.hook("stop", key)["status"] == "stopped"


def test_the_listed_methods_are_those_of_the_hook(visit: Visit) -> None:
    text = (checkout.ROOT / "docs" / "HOOK.md").read_text(encoding="utf-8")
    table = text[text.index("## `window.backburner`") : text.index("A snapshot is")]
    listed = set(re.findall(r"`([a-z]+)\(", table)) | {"ready"}
    assert set(visit.page.evaluate("() => Object.keys(window.backburner)")) == listed
