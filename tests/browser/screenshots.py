"""Pictures of every view and state, to be looked at: `python -m tests.browser.screenshots OUT`,
or `… OUT dashboard-running` for those of one view and state (tests/browser/states.py).

They judge nothing: what a person would not like to show is seen only by a person. The site is
built first (`python3 build.py build`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from backburner.core.routes import View
from backburner_site import checkout
from backburner_site.browser import find_browser, launch_options
from backburner_site.progress import Progress
from backburner_site.server import Server
from tests.browser.conftest import Visit
from tests.browser.states import STATES, show

WIDTHS = {"narrow": (360, 740), "wide": (1280, 800)}
SCHEMES = ("light", "dark")


@contextmanager
def visits(browser: Browser, url: str, **options: object) -> Iterator[Visit]:
    """A visit of its own, with looks as asked for."""
    context = browser.new_context(**options)  # type: ignore[arg-type]
    yield Visit(context.new_page(), url)
    context.close()


def picture(page: Page, out: Path, name: str, *, full: bool = True) -> None:
    page.screenshot(path=out / f"{name}.png", full_page=full)
    print(name, flush=True)


def take_all(browser: Browser, url: str, out: Path, only: str) -> None:
    """Every state in its views, wide and narrow, light and dark; `only` those named like it.

    The narrow ones are in German: its longer words meet the smaller place.
    """
    for width, (across, down) in WIDTHS.items():
        looks = {
            "viewport": {"width": across, "height": down},
            "locale": "de-DE" if width == "narrow" else "en-GB",
            "reduced_motion": "reduce",
        }
        for name, state in STATES.items():
            wanted = [
                (scheme, view, f"{view}-{name}-{width}-{scheme}")
                for scheme in SCHEMES
                for view in state.views
                if only in f"{view}-{name}-{width}-{scheme}"
            ]
            if not wanted:
                continue
            with visits(browser, url, **looks) as visit:
                state.reach(visit)
                for scheme, view, title in wanted:
                    visit.page.emulate_media(color_scheme=scheme)
                    show(visit, view)
                    charts = visit.page.get_by_test_id("charts")
                    if view is View.DASHBOARD and charts.is_visible():
                        # Curves are drawn where they are seen.
                        charts.scroll_into_view_if_needed()
                        visit.page.wait_for_timeout(250)
                        visit.page.evaluate("() => scrollTo(0, 0)")
                    visit.page.wait_for_timeout(250)
                    picture(visit.page, out, title)


def take_special(browser: Browser, url: str, out: Path) -> None:
    """What only one view or one visitor sees."""
    small = {"width": 320, "height": 640}
    for view in View:
        with visits(browser, url, viewport=small, locale="de") as visit:
            visit.open(f"#/{view}")
            picture(visit.page, out, f"{view}-320-german")
    large = {"width": 3840, "height": 2160}
    for view in (View.WELCOME, View.CREATE):
        with visits(browser, url, viewport=large) as visit:
            visit.open(f"#/{view}")
            picture(visit.page, out, f"{view}-4k", full=False)
    with visits(browser, url, forced_colors="active") as visit:
        visit.open("#/create")
        picture(visit.page, out, "create-forced-colours")
    with visits(browser, url, java_script_enabled=False) as visit:
        visit.page.goto(url)
        picture(visit.page, out, "no-script")
    with visits(browser, url) as visit:
        visit.page.goto(f"{url}#/kitchen-sink")
        picture(visit.page, out, "welcome-lost-booting")


def main(out: Path, only: str = "") -> None:
    out.mkdir(parents=True, exist_ok=True)
    options = launch_options(find_browser(Progress()))
    with Server(checkout.DIST, base="/") as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**options)
        if not only:
            take_special(browser, server.url, out)
        take_all(browser, server.url, out, only)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
