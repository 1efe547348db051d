"""How long the site takes to start: on a first visit, and on a later one.

A first visit is one of a browser with a new profile; a later one is the same browser's next. The
page itself says when its stages ended, counted from the navigation (the hook's `ready`).
"""

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from backburner_site.browser import launch_options
from backburner_site.headless import READY_WITHIN_S, open_page
from backburner_site.progress import Step, time_left_s

VISITS = ("cold", "warm")
STAGES = {"page_ms": "page", "worker_ms": "worker"}
"""What is told of a start, and the stage of the page that says it."""


def measure_boot(
    chromium: Any, program: Path, address: str, *, loads: int, step: Step
) -> dict[str, Any]:
    """`{cold: {page_ms, worker_ms, loads: […]}, warm: {…}}`: medians, and every load's stages.

    `chromium` is Playwright's, which starts browsers. Raises Playwright's errors, and RunFailed.
    """
    stages: dict[str, list[dict[str, float]]] = {visit: [] for visit in VISITS}
    began = time.monotonic()
    for number in range(loads):
        step.advance(
            f"start {number + 1} of {loads}", time_left_s(number, loads, time.monotonic() - began)
        )
        with tempfile.TemporaryDirectory(prefix="backburner-") as profile:
            context = chromium.launch_persistent_context(profile, **launch_options(program))
            try:
                for visit in VISITS:
                    page = context.new_page()
                    deadline = time.monotonic() + READY_WITHIN_S
                    hook = open_page(page, address, deadline, Step("start"))
                    stages[visit].append(hook.call("ready")["boot"])
                    page.close()
            finally:
                context.close()
    return {visit: summary(found) for visit, found in stages.items()}


def summary(loads: list[dict[str, float]]) -> dict[str, Any]:
    """Medians over loads, in milliseconds, and the loads themselves."""
    medians = {name: median(load[stage] for load in loads) for name, stage in STAGES.items()}
    return {**medians, "loads": loads}
