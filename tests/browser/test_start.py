"""The start from the snapshot, and the plain start whenever anything is wrong with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from backburner_site.server import Server
from tests.browser.conftest import SUB_PATH, TINY, Visit

pytestmark = pytest.mark.browser


def test_page_and_worker_start_from_the_snapshot(visit: Visit) -> None:
    visit.ready()
    start = visit.hook("diagnostics")["start"]
    assert start == {
        "page": "snapshot",
        "page_reason": "",
        "worker": "snapshot",
        "worker_reason": "",
    }
    fetched = [url for url in visit.requests if url.endswith(".whl")]
    assert fetched == []


def test_python_runs_on_the_thread_s_own_stack(visit: Visit) -> None:
    # On switched ones Chromium's heap profiler brings the whole process down, now and then.
    visit.train(TINY)
    for place in (visit.page, visit.page.workers[0]):
        assert not place.evaluate("() => 'Suspending' in WebAssembly")


@pytest.fixture
def site(dist: Path, tmp_path: Path) -> Path:
    """A copy of the site, to be damaged."""
    return Path(shutil.copytree(dist, tmp_path / "site"))


def torn(site: Path) -> None:
    file = site / "pyodide" / "snapshot.bin.gz"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x10
    file.write_bytes(content)


def missing(site: Path) -> None:
    (site / "pyodide" / "snapshot.bin.gz").unlink()


def of_another_version(site: Path) -> None:
    file = site / "scripts" / "parts.json"
    parts = json.loads(file.read_text())
    parts["version"] = "0.0.0"
    file.write_text(json.dumps(parts))


def of_another_size(site: Path) -> None:
    file = site / "scripts" / "parts.json"
    parts = json.loads(file.read_text())
    parts["snapshot"]["bytes"] += 65_536
    file.write_text(json.dumps(parts))


@pytest.mark.parametrize("damage", [torn, missing, of_another_version, of_another_size])
def test_a_damaged_snapshot_costs_time_and_nothing_else(
    site: Path,
    new_visit: Callable[..., Visit],
    damage: Callable[[Path], None],
) -> None:
    damage(site)
    with Server(site, base=SUB_PATH) as server:
        visit = new_visit(server.url)
        # The browser itself complains of what it could not fetch.
        visit.expected += ["snapshot.bin.gz", "Failed to load resource"]
        visit.open()
        visit.ready()
        start = visit.hook("diagnostics")["start"]
        assert (start["page"], start["worker"]) == ("plain", "plain")
        assert start["page_reason"]
        assert start["worker_reason"]
        assert visit.train(TINY)["status"] == "completed"


def test_a_start_from_the_snapshot_gives_the_same_weights_as_a_plain_one(
    visit: Visit, site: Path, new_visit: Callable[..., Visit]
) -> None:
    missing(site)
    with Server(site, base=SUB_PATH) as server:
        plain = new_visit(server.url)
        plain.expected += ["snapshot.bin.gz", "Failed to load resource"]
        plain.open()
        hashes = {each.hook("weights", each.train(TINY)["id"])["sha256"] for each in (visit, plain)}
    assert len(hashes) == 1


def test_ids_differ_from_one_visit_to_the_next(
    new_visit: Callable[..., Visit], served: str
) -> None:
    # The random state is part of the snapshot: without a new seed all visitors would agree.
    ids = [new_visit(served).open().start(TINY) for _ in range(2)]
    assert ids[0] != ids[1]


@pytest.mark.parametrize("part", ["pyodide/pyodide.asm.wasm", "pyscript/core.js"])
def test_a_page_that_cannot_start_says_so(
    site: Path, new_visit: Callable[..., Visit], part: str
) -> None:
    (site / part).unlink()
    with Server(site, base=SUB_PATH) as server:
        visit = new_visit(server.url)
        visit.expected += ["console", "page error"]
        visit.page.goto(server.url)
        visit.until(lambda: visit.state("backburner") == "error", "the page to give up")
        assert visit.page.get_by_test_id("boot-error").is_visible()
        assert visit.page.get_by_role("heading", name="Your network cooks").is_visible()
