"""Opens the built site in a real browser, as a visitor would, and watches everything it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

from backburner_site import checkout
from backburner_site.server import Server

SUB_PATH = "/any/sub/path/"
PATIENCE_S = 90.0

TINY: dict[str, Any] = {
    "recipe": 1,
    "seed": 7,
    "model": {"preset": "tiny"},
    "training": {"epochs": 2},
}
LONG: dict[str, Any] = {**TINY, "training": {"epochs": 20_000}}
SLOW: dict[str, Any] = {
    **TINY,
    "model": {"preset": "deeper"},
    "training": {"epochs": 20_000, "batch_size": 256},
}
"""Its steps take some 20 ms, a hundred times as long as those of TINY."""


class Visit:
    """One page of the site, and what went wrong in it.

    Console errors, page errors and requests to other origins fail the test at its end, except
    those whose text holds one of the words in `expected`.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.problems: list[str] = []
        self.expected: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        page.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"console {message.type}: {message.text}")

    def _on_request(self, request: Request) -> None:
        self.requests.append(request.url)
        if not request.url.startswith((self.url, "blob:", "data:")):
            self.problems.append(f"request to another place: {request.url}")

    def unexpected(self) -> list[str]:
        return [each for each in self.problems if not any(word in each for word in self.expected)]

    def open(self, query: str = "") -> Visit:
        """Goes to the page and waits until it says that it can be used."""
        self.page.goto(self.url + query)
        self.until(lambda: self.state("backburner") != "booting", "the page to start")
        assert self.state("backburner") == "ready", self.page.inner_text("#boot-detail")
        return self

    def go(self, view: str) -> Page:
        """Follows the link to a view; the page, which shows it."""
        self.page.get_by_test_id(f"nav-{view}").click()
        self.page.get_by_test_id(f"view-{view}").wait_for()
        return self.page

    def state(self, name: str) -> str | None:
        return self.page.evaluate("name => document.documentElement.dataset[name]", name)

    def until(self, reached: Callable[[], object], what: str) -> None:
        """Polls from here: the page's policy forbids what wait_for_function would evaluate."""
        patience = time.monotonic() + PATIENCE_S
        while not reached():
            assert time.monotonic() < patience, f"waited in vain for {what}"
            self.page.wait_for_timeout(30)

    def hook(self, method: str, *arguments: Any) -> Any:
        """Calls `window.backburner`; a refusal comes back as {"refused": …}."""
        return self.page.evaluate(
            "([method, given]) => window.backburner[method](...given)"
            ".catch((refused) => ({ refused }))",
            [method, list(arguments)],
        )

    def ready(self) -> Any:
        return self.page.evaluate("() => window.backburner.ready")

    def start(self, recipe: dict[str, Any]) -> str:
        answer = self.hook("start", recipe)
        assert "id" in answer, answer
        return str(answer["id"])

    def train(self, recipe: dict[str, Any]) -> Any:
        """Runs a recipe to its end; the snapshot."""
        snapshot = self.hook("wait", self.start(recipe))
        assert snapshot.get("status") == "completed", snapshot
        return snapshot

    def until_step(self, key: str, step: int) -> None:
        self.until(lambda: self.hook("operation", key)["step"] >= step, f"step {step}")


@pytest.fixture(scope="session")
def dist() -> Path:
    if not (checkout.DIST / "index.html").is_file():
        pytest.fail("There is no built site; `python3 build.py test` builds it first.")
    return checkout.DIST


@pytest.fixture(scope="session")
def served(dist: Path) -> Iterator[str]:
    with Server(dist, base=SUB_PATH) as server:
        yield server.url


@contextmanager
def visiting(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Makes visits, and judges at the end what went wrong in them."""
    visits: list[Visit] = []
    contexts: list[BrowserContext] = []

    def make(url: str, **options: Any) -> Visit:
        context = browser.new_context(**options)
        contexts.append(context)
        visits.append(Visit(context.new_page(), url))
        return visits[-1]

    yield make
    for context in contexts:
        context.close()
    assert [visit.unexpected() for visit in visits if visit.unexpected()] == []


@pytest.fixture
def new_visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Makes visits: `new_visit(url, **context options)`. Each has a storage of its own."""
    with visiting(browser) as make:
        yield make


@pytest.fixture(scope="module")
def shared_visit(browser: Browser, served: str) -> Iterator[Visit]:
    """One open page for all tests of a module that leave nothing behind in it."""
    with visiting(browser) as make:
        yield make(served).open("?debug=1")


@pytest.fixture
def visit(new_visit: Callable[..., Visit], served: str) -> Visit:
    """The page, open and ready, with proxies counted."""
    return new_visit(served).open("?debug=1")
