"""A training goes on at full pace in a tab that is really hidden."""

from __future__ import annotations

import json

import pytest

from tests.browser.conftest import LONG
from tests.browser.raw_browser import RawBrowser, the_browser, until

pytestmark = pytest.mark.browser


def test_a_hidden_tab_trains_on_and_tells_of_every_step(served: str) -> None:
    with RawBrowser(the_browser()) as browser:
        tab = browser.open(served + "?seed=7#/dashboard")
        until(tab, "document.documentElement?.dataset.backburner === 'ready'")
        key = tab.evaluate(f"backburner.start({json.dumps(LONG)}).then(({{ id }}) => id)")
        until(tab, f"backburner.operation('{key}').then(({{ step }}) => step > 3)")

        other = browser.open("about:blank")
        other.to_front()
        until(tab, "document.visibilityState === 'hidden'")
        before = tab.evaluate(f"backburner.operation('{key}').then(({{ step }}) => step)")
        # A throttled timer would turn once a second; a training that hung on one would make
        # ten steps in ten seconds, this one hundreds.
        ticks = "window.ticks = 0; setInterval(() => { window.ticks += 1; }, 10); 0"
        tab.evaluate(ticks)
        until(tab, f"backburner.operation('{key}').then(({{ step }}) => step > {before} + 60)")
        assert tab.evaluate("document.visibilityState") == "hidden"
        after = tab.evaluate(f"backburner.operation('{key}').then(({{ step }}) => step)")
        assert after - before > 3 * tab.evaluate("window.ticks"), "the timers were not throttled"
        history = tab.evaluate(f"backburner.history('{key}').then(({{ step }}) => step)")
        assert history == list(range(1, len(history) + 1))

        tab.to_front()
        until(tab, "document.visibilityState === 'visible'")
        until(tab, "document.getElementById('figure-step').textContent !== '–'")
        assert tab.evaluate(f"backburner.stop('{key}').then(({{ status }}) => status)") == "stopped"
