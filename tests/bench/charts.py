"""What a redraw of the dashboard costs the page's thread while a training runs.

    PYTHONPATH=py .venv/bin/python -m tests.bench.charts [steps]

Trains the tiny network on the built site until its curves have that many points (20,000 without a
number), then times every frame that the page asked for, for six seconds: all of the dashboard's
own work, and what uPlot does in the microtasks after it. Times are no test; they are printed.
"""

from __future__ import annotations

import json
import sys
from statistics import quantiles

from tests.bench.browser import served
from tests.browser.conftest import LONG, Visit

TIMER = """
globalThis.framesMs = [];
const raf = globalThis.requestAnimationFrame.bind(globalThis);
globalThis.requestAnimationFrame = (heard) => raf((time) => {
  const start = performance.now();
  heard(time);
  queueMicrotask(() => { framesMs.push(performance.now() - start); });
});
"""
SECONDS = 6


def main(steps: int) -> None:
    with served() as (browser, url):
        page = browser.new_page(viewport={"width": 1280, "height": 1600})
        page.add_init_script(TIMER)
        visit = Visit(page, url).open("#/dashboard")
        key = visit.start(LONG)
        visit.until_step(key, steps)
        page.evaluate("() => { framesMs.length = 0; }")
        page.wait_for_timeout(1_000 * SECONDS)
        frames = sorted(page.evaluate("() => framesMs"))
        reached = visit.hook("stop", key)["step"]
    cuts = quantiles(frames, n=100)
    print(
        json.dumps(
            {
                "points": reached,
                "frames_per_s": round(len(frames) / SECONDS, 1),
                "p50_ms": round(cuts[49], 1),
                "p99_ms": round(cuts[98], 1),
                "worst_ms": round(frames[-1], 1),
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
