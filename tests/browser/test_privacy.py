"""Nothing leaves the device: the page's own policy holds for page and worker, without headers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import TINY, Visit

pytestmark = pytest.mark.browser

REACH = "(url) => fetch(url).then(() => 'reached', () => 'refused')"


class Elsewhere:
    """Another origin, which would gladly be reached, and counts who tries."""

    def __init__(self) -> None:
        self.requests = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests += 1
                self.send_response(200)
                self.send_header("Access-Control-Allow-Origin", "*")
                self.end_headers()
                self.wfile.write(b"gotcha")

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/"


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    found = Elsewhere()
    threading.Thread(target=found.http.serve_forever, daemon=True).start()
    yield found
    found.http.shutdown()


def test_the_other_origin_can_be_reached_by_a_page_without_our_policy(
    browser: Browser, elsewhere: Elsewhere
) -> None:
    # Otherwise the tests below would pass for the wrong reason.
    page = browser.new_page()
    page.goto(elsewhere.url)
    other = elsewhere.url.replace("127.0.0.1", "localhost")
    assert page.evaluate(REACH, other) == "reached"
    page.close()


def test_the_page_cannot_reach_another_origin(visit: Visit, elsewhere: Elsewhere) -> None:
    visit.expected += ["Content Security Policy", "request to another place"]
    assert visit.page.evaluate(REACH, elsewhere.url) == "refused"
    image = """(url) => new Promise((resolve) => {
        const image = new Image();
        image.onload = () => resolve("reached");
        image.onerror = () => resolve("refused");
        image.src = url;
    })"""
    assert visit.page.evaluate(image, elsewhere.url) == "refused"
    beacon = (
        "(url) => { navigator.sendBeacon(url, 'x'); return new Promise(r => setTimeout(r, 200)); }"
    )
    visit.page.evaluate(beacon, elsewhere.url)
    assert elsewhere.requests == 0


def test_the_worker_cannot_reach_another_origin(visit: Visit, elsewhere: Elsewhere) -> None:
    visit.ready()
    visit.expected += ["Content Security Policy", "request to another place"]
    worker = visit.page.workers[0]
    assert worker.evaluate(REACH, elsewhere.url) == "refused"
    load = "(url) => import(url).then(() => 'reached', () => 'refused')"
    assert worker.evaluate(load, elsewhere.url) == "refused"
    assert elsewhere.requests == 0


def test_neither_page_nor_worker_may_evaluate_text(visit: Visit) -> None:
    visit.ready()
    visit.expected.append("Content Security Policy")
    # From a timer: what DevTools itself evaluates is exempt from the policy.
    attempt = """() => new Promise((resolve) => setTimeout(() => {
        try {
            resolve(new Function("return 1")());
        } catch {
            resolve("refused");
        }
    }))"""
    for place in (visit.page, visit.page.workers[0]):
        assert place.evaluate(attempt) == "refused"


def test_the_main_job_asks_no_other_place_for_anything(visit: Visit) -> None:
    done = visit.train(TINY)
    visit.hook("predict", done["id"], [[0.5] * 8] * 8)
    visit.open()
    own = [url for url in visit.requests if url.startswith((visit.url, "blob:", "data:"))]
    assert own == visit.requests
    assert len(own) > 10


def test_the_policy_is_as_strict_as_it_is_said_to_be(visit: Visit) -> None:
    policy = visit.page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "script-src 'self' 'wasm-unsafe-eval';" in policy
    assert "http" not in policy
    assert "'unsafe-eval'" not in policy
    assert "'unsafe-inline'" not in policy
