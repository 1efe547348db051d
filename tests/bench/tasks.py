"""The longest tasks of the page's thread, with a worker and without one.

    PYTHONPATH=py .venv/bin/python -m tests.bench.tasks

A task of more than 50 ms is a long one (https://w3c.github.io/longtasks/); what is shorter is not
reported by the browser, and so not here. Told apart: the page's start (with Python's), each
preset's training beside the time of a step, which in the page's own thread is a task by itself, and
a run whose worker dies.
"""

from __future__ import annotations

import json
from typing import Any

from tests.bench.browser import served
from tests.browser.conftest import Visit

OBSERVER = """
globalThis.longTasksMs = [];
new PerformanceObserver((list) => {
  longTasksMs.push(...list.getEntries().map(({ duration }) => Math.round(duration)));
}).observe({ type: "longtask", buffered: true });
"""
PRESETS = {"tiny": 20, "small": 3, "deeper": 2}


def measure(visit: Visit, query: str) -> dict[str, Any]:
    """`{stage: {longest_ms, …}}` of one visit."""
    visit.page.add_init_script(OBSERVER)
    visit.open(query)
    visit.ready()
    visit.page.wait_for_timeout(1_000)
    found: dict[str, Any] = {"start": {"longest_ms": longest(visit)}}
    visit.go("dashboard")
    for preset, epochs in PRESETS.items():
        visit.page.evaluate("() => { longTasksMs.length = 0; }")
        recipe = {"recipe": 1, "model": {"preset": preset}, "training": {"epochs": epochs}}
        done = visit.train(recipe)
        visit.page.wait_for_timeout(500)
        found[preset] = {
            "longest_ms": longest(visit),
            "ms_per_step": round(done["timing"]["ms_per_step"], 1),
            "mode": done["mode"],
        }
    if not query:
        found["the worker dies"] = {"longest_ms": longest_of_a_fallback(visit)}
    return found


def longest_of_a_fallback(visit: Visit) -> int | str:
    """From the death of the worker in the middle of a run to the run's end in the page."""
    key = visit.start({"recipe": 1, "model": {"preset": "small"}, "training": {"epochs": 4}})
    visit.until_step(key, 60)
    visit.page.evaluate("() => { longTasksMs.length = 0; }")
    visit.page.workers[0].evaluate("() => self.close()")
    visit.hook("wait", key)
    visit.page.wait_for_timeout(500)
    return longest(visit)


def longest(visit: Visit) -> int | str:
    return max(visit.page.evaluate("() => longTasksMs"), default="none over 50")


if __name__ == "__main__":
    with served() as (browser, url):
        for query in ("", "?worker=off"):
            visit = Visit(browser.new_page(), url)
            print(json.dumps({query or "worker": measure(visit, query)}), flush=True)
            visit.page.close()
