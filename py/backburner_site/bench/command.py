"""`bench` from beginning to end: opens the contestants, measures, and tells what came of it.

Whatever ends it early (Ctrl-C, a browser that dies), what was measured so far is told first.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from backburner_site import checkout
from backburner_site.bench import native, report
from backburner_site.bench.boot import measure_boot
from backburner_site.bench.contest import Contest, Contestant
from backburner_site.bench.pages import ADDRESSES, SitePage
from backburner_site.bench.workloads import Workload
from backburner_site.browser import launch_options
from backburner_site.headless import READY_WITHIN_S, in_words, open_page
from backburner_site.progress import Progress
from backburner_site.server import Server

ROUND_MS = 600.0
LOADS = 3


class Bench:
    """One run of the command. `outcome` is what it has found so far."""

    def __init__(
        self,
        workloads: Sequence[Workload],
        *,
        rounds: int,
        round_ms: float = ROUND_MS,
        loads: int = LOADS,
        explains: bool = False,
        with_torch: bool | None = None,
        progress: Progress,
    ) -> None:
        """`loads`: how often the start is measured. `with_torch` None: where it is installed.

        `explains`: whether every kernel call of our step is timed by itself, too.
        """
        self._workloads = workloads
        self._rounds = rounds
        self._round_ms = round_ms
        self._loads = loads
        self._with_torch = native.is_installed() if with_torch is None else with_torch
        self._progress = progress
        self._explains = explains
        self._plans: dict[str, list[dict[str, Any]]] = {}
        self._contest: Contest | None = None
        self._boot: dict[str, Any] = {}
        self._versions: dict[str, Any] = {"backburner": checkout.version()}
        self._kernels: dict[str, str] = {}
        self._is_complete = False

    def run(self, site: Path, program: Path) -> None:
        """Measures everything. Raises RunFailed; `outcome` holds what there was until then."""
        from playwright.sync_api import Error, sync_playwright

        with (
            Server(site) as server,
            sync_playwright() as playwright,
            in_words(),
            ExitStack() as open_,
        ):
            browser = playwright.chromium.launch(**launch_options(program))
            try:
                self._versions["browser"] = browser.version
                pages = [
                    self._page(browser, name, server.url + query)
                    for name, query in ADDRESSES.items()
                ]
                contestants: list[Contestant] = [*pages, *self._natives(open_)]
                self._contest = Contest(
                    contestants,
                    rounds=self._rounds,
                    round_ms=self._round_ms,
                    progress=self._progress,
                )
                self._contest.run(self._workloads)
                if self._explains:
                    self._explain(pages[0])
            finally:
                with suppress(Error):
                    browser.close()
            with self._progress.step("Starting the site again and again") as step:
                self._boot = measure_boot(
                    playwright.chromium, program, server.url, loads=self._loads, step=step
                )
        self._is_complete = True

    def _explain(self, ours: SitePage) -> None:
        with self._progress.step("Timing every kernel call"):
            for workload in self._workloads:
                self._plans[workload.name] = ours.explain(workload)

    def _page(self, browser: Any, name: str, address: str) -> SitePage:
        # A context for each: pages of one site would share its storage and its locks.
        page = browser.new_context().new_page()
        with self._progress.step(f"Opening the page for {name}") as step:
            deadline = time.monotonic() + 2 * READY_WITHIN_S
            contestant = SitePage(name, open_page(page, address, deadline, step))
        self._kernels[name] = contestant.ready["kernels"]
        return contestant

    def _natives(self, open_: ExitStack) -> list[Contestant]:
        if not self._with_torch:
            self._progress.say(native.how_to_install())
            return []
        cores = os.cpu_count() or 1
        peers = [
            native.PyTorch("pytorch", cores),
            native.PyTorch("pytorch-1-thread", 1),
            native.PyTorch("pytorch-plain", cores, plain=True),
        ]
        with self._progress.step("Starting PyTorch"):
            for peer in peers:
                self._versions |= open_.enter_context(peer).versions
        return list(peers)

    def outcome(self) -> dict[str, Any]:
        """As docs/BENCH.md describes it."""
        results = self._contest.results if self._contest else []
        return {
            "workloads": report.workloads_json(results),
            **({"plans": self._plans} if self._explains else {}),
            "boot": self._boot,
            "complete": self._is_complete,
            "machine": report.machine(),
            "versions": self._versions,
            "kernels": self._kernels,
            "rounds": self._rounds,
            "round_ms": self._round_ms,
        }

    def words(self) -> str:
        """The tables, of what there is."""
        results = [each for each in (self._contest.results if self._contest else []) if each.rounds]
        parts = [report.table(results)] if results else []
        parts += ["\n".join(report.left_out_words(results))]
        parts += [report.plan_table(name, plan) for name, plan in self._plans.items()]
        parts += [report.boot_table(self._boot)] if self._boot else []
        return "\n\n".join(filter(None, parts))


def run(bench: Bench, site: Path, program: Path, file: Path | None) -> None:
    """Measures, and prints and writes what was measured, however it ends."""
    try:
        bench.run(site, program)
    finally:
        words = bench.words()
        if words:
            print(words, file=sys.stdout, flush=True)
        if file is not None:
            file.write_text(json.dumps(bench.outcome(), indent=1) + "\n", encoding="utf-8")
