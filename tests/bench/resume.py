"""How exactly runs go on: cut off at random places in random ways, and compared.

    PYTHONPATH=py .venv/bin/python -m tests.bench.resume [trials] [seed]

Each trial trains one recipe, cuts it off once to three times (a reload, a closed tab, a worker that
dies, a stop, a visit without a worker), lets it end, and compares the weights' sha256 with that of
an undisturbed run. One line for each trial, and the count at the end; a trial can be repeated by
its seed. The same in small is tests/browser/test_recovery.py.
"""

from __future__ import annotations

import json
import random
import sys
from functools import partial

from playwright.sync_api import Browser

from tests.bench.browser import served
from tests.browser.conftest import Visit
from tests.browser.test_recovery import RECIPE, STEPS

WAYS = ("reload", "tab", "worker", "stop", "without-worker")


def trial(browser: Browser, url: str, seed: int) -> dict[str, object]:
    """One run, cut off as the seed says."""
    draw = random.Random(seed)
    visit = Visit(browser.new_context().new_page(), url).open()
    key = visit.start({**RECIPE, "seed": 11})
    at = sorted(draw.sample(range(5, STEPS - 5), draw.randint(1, 3)))
    cuts: list[tuple[int, str]] = []
    for step in at:
        visit.until(partial(has_reached, visit, key, step), f"step {step}")
        now = visit.hook("operation", key)
        if now["status"] == "completed":
            break
        way = draw.choice(WAYS)
        visit = cut(visit, key, way if now["mode"] == "worker" or way != "worker" else "reload")
        cuts.append((now["step"], way))
    done = visit.hook("wait", key)
    sha256 = visit.hook("weights", key).get("sha256")
    history = visit.hook("history", key)
    visit.page.context.close()
    return {
        "seed": seed,
        "cuts": cuts,
        "status": done.get("status"),
        "redone": done.get("redone"),
        "sha256": sha256,
        "whole_curve": history["step"] == list(range(1, STEPS + 1)),
    }


def has_reached(visit: Visit, key: str, step: int) -> bool:
    found = visit.hook("operation", key)
    return found["status"] == "completed" or found["step"] >= step


def cut(visit: Visit, key: str, way: str) -> Visit:
    """Cuts a run off; gives the visit in which it goes on."""
    match way:
        case "reload":
            return visit.open()
        case "without-worker":
            return visit.open("?worker=off")
        case "tab":
            again = Visit(visit.page.context.new_page(), visit.url)
            visit.page.close()
            return again.open()
        case "worker":
            visit.page.workers[0].evaluate("() => self.close()")
        case "stop":
            visit.hook("stop", key)
            visit.hook("resume", key)
    return visit


def main(trials: int, first: int) -> None:
    with served() as (browser, url):
        undisturbed = Visit(browser.new_page(), url).open()
        expected = undisturbed.hook("weights", undisturbed.train(RECIPE)["id"])["sha256"]
        undisturbed.page.close()
        exact = 0
        for seed in range(first, first + trials):
            found = trial(browser, url, seed)
            is_exact = found["sha256"] == expected and found["whole_curve"]
            exact += is_exact
            print(json.dumps({**found, "exact": is_exact}), flush=True)
        print(f"{exact} of {trials} trials ended with the weights of an undisturbed run")


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main(*(given + [50, 1][len(given) :]))
