"""The built site, opened in a browser, for everything that is measured and not judged."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from backburner_site import checkout
from backburner_site.browser import find_browser, launch_options
from backburner_site.progress import Progress
from backburner_site.server import Server


@contextmanager
def served() -> Iterator[tuple[Browser, str]]:
    """A browser, and the address of the site (`python3 build.py build` makes it)."""
    program = find_browser(Progress(sys.stderr))
    with Server(checkout.DIST) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options(program))
        try:
            yield browser, server.url
        finally:
            browser.close()
