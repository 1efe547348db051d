"""The frame of the page: views and their addresses, languages, looks, all before Python too."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from backburner.core.routes import View
from tests.browser.conftest import Visit

pytestmark = pytest.mark.browser


def shown(visit: Visit) -> list[str]:
    return visit.page.evaluate(
        """() => [...document.querySelectorAll(".view")]
            .filter((view) => view.checkVisibility()).map((view) => view.dataset.view)"""
    )


def without_python(visit: Visit) -> Visit:
    """The page as it is before its Python has come: it never comes here."""
    visit.page.route(
        "**/pyscript/core.js",
        lambda route: route.fulfill(body="", status=200, content_type="text/javascript"),
    )
    visit.page.goto(visit.url)
    return visit


def test_links_back_and_forward_lead_to_the_views_before_python_is_there(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = without_python(new_visit(served))
    assert shown(visit) == ["welcome"]
    for view in ("create", "playground"):
        visit.go(view)
        assert shown(visit) == [view]
        assert visit.page.title().endswith(" – Backburner")
        assert visit.page.evaluate("() => document.activeElement.id") == f"{view}-title"
        current = visit.page.locator("[aria-current=page]")
        assert current.get_attribute("data-testid") == f"nav-{view}"
    visit.page.go_back()
    visit.until(lambda: shown(visit) == ["create"], "the view before")
    visit.page.go_forward()
    visit.until(lambda: shown(visit) == ["playground"], "the view after")


@pytest.mark.parametrize("view", View)
def test_a_reload_stays(shared_visit: Visit, view: View) -> None:
    shared_visit.go(view)
    shared_visit.page.reload()
    assert shown(shared_visit) == [view]
    shared_visit.until(lambda: shared_visit.state("backburner") == "ready", "Python")
    assert shown(shared_visit) == [view]


def test_an_address_that_is_no_view_leads_to_welcome_with_a_note(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = new_visit(served).open("#/kitchen-sink")
    assert shown(visit) == ["welcome"]
    expect(visit.page.get_by_test_id("lost")).to_be_visible()
    assert visit.page.url.endswith("#/welcome")
    visit.go("create")
    visit.go("welcome")
    expect(visit.page.get_by_test_id("lost")).to_be_hidden()


@pytest.mark.parametrize(
    ("query", "locale", "language"),
    [("", "en-GB", "en"), ("", "de-CH", "de"), ("", "fr-FR", "en"), ("?lang=de", "en-GB", "de")],
)
def test_the_page_speaks_the_language_of_the_visitor(
    new_visit: Callable[..., Visit], served: str, query: str, locale: str, language: str
) -> None:
    visit = new_visit(served, locale=locale).open(query)
    assert visit.page.evaluate("() => document.documentElement.lang") == language
    train = {"en": "Train", "de": "Trainieren"}[language]
    assert visit.page.get_by_test_id("train").text_content() == train
    ready = {"en": "Ready", "de": "Bereit"}[language]
    expect(visit.page.get_by_test_id("worker-state")).to_have_text(ready, timeout=60_000)


def test_another_language_is_taken_up_at_once_and_kept(visit: Visit) -> None:
    page = visit.go("settings")
    page.get_by_test_id("language-de").check()
    expect(page.get_by_test_id("nav-create")).to_have_text("Erstellen")
    assert page.title() == "Einstellungen – Backburner"
    page.reload()
    expect(page.get_by_test_id("nav-create")).to_have_text("Erstellen")
    visit.until(lambda: visit.state("backburner") == "ready", "Python")
    expect(page.get_by_test_id("language-de")).to_be_checked()
    page.get_by_test_id("language-en").check()
    expect(page.get_by_test_id("nav-create")).to_have_text("Create")


def test_the_template_and_its_marks_name_the_same_texts(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = without_python(new_visit(served))
    page = visit.page
    before = page.inner_html("body")
    page.evaluate("() => backburnerShell.apply({ language: 'de' }).then(() => null)")
    assert page.inner_html("body") != before
    page.evaluate("() => backburnerShell.apply({ language: 'en' }).then(() => null)")
    assert page.inner_html("body") == before


def test_theme_and_motion_are_there_at_the_next_visit_before_python(visit: Visit) -> None:
    page = visit.go("settings")
    page.get_by_test_id("theme-dark").check()
    visit.until(lambda: visit.state("theme") == "dark", "the dark theme")
    page.get_by_test_id("motion-reduced").check()
    visit.until(lambda: visit.state("motion") == "off", "the calm page")
    without_python(visit)
    assert (visit.state("theme"), visit.state("motion")) == ("dark", "off")
