"""Which kernels the page takes, and how it says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from backburner_site.server import Server
from tests.browser.conftest import SUB_PATH, TINY, Visit

pytestmark = pytest.mark.browser

# A browser from before relaxed SIMD: it finds that one module wrong.
WITHOUT_RELAXED = """
const asked = fetch;
let relaxed;
globalThis.fetch = async (...given) => {
    const reply = await asked(...given);
    if (String(given[0]).endsWith("relaxed.wasm")) {
        relaxed = new Uint8Array(await reply.clone().arrayBuffer());
    }
    return reply;
};
const { validate } = WebAssembly;
WebAssembly.validate = (bytes) =>
    validate(bytes) && String(new Uint8Array(bytes)) !== String(relaxed);
"""


def logs(visit: Visit) -> str:
    visit.go("dashboard")
    shown = visit.page.get_by_test_id("logs")
    # A view is drawn when the page has a moment for it.
    expect(shown).not_to_be_empty()
    return str(shown.inner_text())


@pytest.fixture
def site(dist: Path, tmp_path: Path) -> Path:
    """A copy of the site, to be damaged."""
    return Path(shutil.copytree(dist, tmp_path / "site"))


@pytest.mark.parametrize(
    ("query", "kernels"),
    [
        ("", "relaxed"),
        ("?kernels=relaxed", "relaxed"),
        ("?kernels=simd", "simd"),
        ("?kernels=stock", "stock"),
        ("?kernels=simd&worker=off", "simd"),
        ("?worker=off", "relaxed"),
        ("?backend=cpu", "stock"),
    ],
)
def test_the_address_says_which_kernels(
    new_visit: Callable[..., Visit], served: str, query: str, kernels: str
) -> None:
    visit = new_visit(served).open(query)
    assert visit.ready()["kernels"] == kernels
    assert visit.state("kernels") == kernels
    assert visit.hook("diagnostics")["kernels"] == kernels
    assert visit.train(TINY)["kernels"] == kernels
    assert "instead of others" not in logs(visit)


@pytest.mark.parametrize("more", ["", "&worker=off"])
def test_unknown_kernels_are_a_fault_like_an_unknown_backend(
    new_visit: Callable[..., Visit], served: str, more: str
) -> None:
    visit = new_visit(served).open("?kernels=fast" + more)
    visit.until(lambda: visit.hook("diagnostics")["worker_status"] == "lost", "the page to give up")
    refused: Any = visit.page.evaluate("() => backburner.ready.catch((refused) => refused)")
    assert "no kernels 'fast'" in refused["message"]


@pytest.mark.parametrize(
    ("query", "said"), [("?worker=off", False), ("?worker=off&kernels=relaxed", True)]
)
def test_a_browser_without_relaxed_simd_takes_the_next_and_says_so_when_asked_for_it(
    new_visit: Callable[..., Visit], served: str, query: str, said: bool
) -> None:
    visit = new_visit(served)
    visit.page.add_init_script(WITHOUT_RELAXED)
    visit.open(query)
    assert visit.ready()["kernels"] == "simd"
    assert ("this browser has no such instructions" in logs(visit)) is said


def test_kernels_that_cannot_be_fetched_are_no_reason_not_to_train(
    site: Path, new_visit: Callable[..., Visit]
) -> None:
    (site / "kernels" / "relaxed.wasm").unlink()
    (site / "kernels" / "simd.wasm").write_bytes(b"torn")
    with Server(site, base=SUB_PATH) as server:
        visit = new_visit(server.url)
        visit.expected += ["Failed to load resource", "Failed to find a valid digest"]
        visit.open()
        assert visit.ready()["kernels"] == "stock"
        assert visit.train(TINY)["status"] == "completed"
        assert "kernels stock instead of others: relaxed: " in logs(visit)


def test_an_isolated_page_has_the_kernels_too(new_visit: Callable[..., Visit], served: str) -> None:
    def isolate(route: Route) -> None:
        headers = {
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Embedder-Policy": "require-corp",
        }
        reply = route.fetch()
        route.fulfill(response=reply, headers={**reply.headers, **headers})

    visit = new_visit(served)
    visit.page.route("**/*", isolate)
    visit.open("?worker=off")
    assert visit.page.evaluate("crossOriginIsolated") is True
    assert visit.ready()["kernels"] == "relaxed"
    assert visit.train(TINY)["status"] == "completed"
