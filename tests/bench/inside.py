"""What a training pays for being looked into: its pace with the panel folded, and with a part open.

    PYTHONPATH=py .venv/bin/python -m tests.bench.inside [rounds] [preset]

Trains the preset (small without a name) on the digits, on the built site, and goes through the
three in turn, again and again. Counted are steps for each second of the worker thread's own
processor time, as Linux keeps it: what else the machine does then changes little. Times are no
test; they are printed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench.browser import served
from tests.browser.conftest import Visit

SLICE_MS = 2_000
FOLDED, PARTS = "folded", ("inside-layers", "inside-answers")
PROCESSES = Path("/proc")


def below(parent: int) -> Iterator[int]:
    """The processes that a process has started, and those that these have."""
    for folder in PROCESSES.glob("[0-9]*"):
        try:
            state = (folder / "stat").read_text()
        except OSError:
            continue  # ended meanwhile
        if int(state.rpartition(")")[2].split()[1]) == parent:
            yield int(folder.name)
            yield from below(int(folder.name))


def worker_s() -> float:
    """Processor time of the browser's dedicated workers, in seconds."""
    spent_ns = 0
    for process in below(os.getpid()):
        for thread in (PROCESSES / str(process) / "task").glob("*"):
            try:
                if (thread / "comm").read_text().startswith("DedicatedWorker"):
                    spent_ns += int((thread / "schedstat").read_text().split()[0])
            except OSError:
                continue
    return spent_ns / 1e9


def pace(visit: Visit, key: str) -> float:
    """Steps for each second of the worker's own time."""
    began_s, first = worker_s(), visit.hook("operation", key)["step"]
    visit.page.wait_for_timeout(SLICE_MS)
    ended_s, last = worker_s(), visit.hook("operation", key)["step"]
    return float((last - first) / (ended_s - began_s))


def look(visit: Visit) -> None:
    """Brings the panel into sight, and the curves out of it."""
    summary = visit.page.get_by_test_id("inside-layers").locator("summary")
    summary.evaluate("each => each.scrollIntoView({ block: 'start' })")
    visit.page.wait_for_timeout(300)


def main(rounds: int, preset: str) -> None:
    found: dict[str, list[float]] = {name: [] for name in (FOLDED, *PARTS)}
    with served() as (browser, url):
        page = browser.new_page(viewport={"width": 1280, "height": 600})
        visit = Visit(page, url).open("?seed=7#/dashboard")
        recipe = {"recipe": 1, "model": {"preset": preset}, "training": {"epochs": 20_000}}
        key = visit.start(recipe)
        visit.until_step(key, 50)
        look(visit)
        pace(visit, key)
        for _ in range(rounds):
            for name, paces in found.items():
                if name != FOLDED:
                    page.get_by_test_id(name).locator("summary").click()
                look(visit)
                paces.append(pace(visit, key))
                if name != FOLDED:
                    page.get_by_test_id(name).locator("summary").click()
        visit.hook("abort", key)
    folded = median(found[FOLDED])
    print(
        json.dumps(
            {"steps_per_worker_s": round(folded, 1)}
            | {f"{part}_lost_percent": round(100 * (1 - median(found[part]) / folded), 1)
               for part in PARTS}
        )
    )  # fmt: skip


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]) if given else 10, given[1] if len(given) > 1 else "small")
