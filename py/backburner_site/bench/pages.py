"""The site itself as a contestant: an open page, whose hook trains in the page's worker."""

from typing import Any

from backburner_site.bench.contest import OURS, Round, Unmeasurable
from backburner_site.bench.workloads import Workload
from backburner_site.errors import RunFailed
from backburner_site.headless import Hook

ADDRESSES = {
    OURS: "?backend=wasm",
    "tfjs-wasm": "?backend=wasm&kernels=stock",
    "tfjs-cpu": "?backend=cpu&kernels=stock",
}
"""Who is measured in the page, and how the page is to be opened for it."""

SLOW = {"tfjs-cpu": 1}
"""Who has so few rounds, of one step each: its steps take seconds."""

WARMUP_MS = 300.0
ONE_STEP_MS = 1.0


class SitePage:
    """A contestant: an open page of the site."""

    def __init__(self, name: str, hook: Hook) -> None:
        self.name = name
        self.rounds = SLOW.get(name)
        self._hook = hook
        self.ready: dict[str, Any] = hook.call("ready")
        self._backend = self.ready["backend"]

    def prepare(self, workload: Workload) -> dict[str, Any]:
        """Nothing: each round makes the model anew and warms up."""
        return {}

    def measure(self, workload: Workload, round_ms: float) -> Round:
        is_slow = self.rounds is not None
        options = {
            "backend": self._backend,
            "warmup_ms": 0 if is_slow else WARMUP_MS,
            "round_ms": ONE_STEP_MS if is_slow else round_ms,
            "rounds": 1,
        }
        try:
            facts: dict[str, Any] = self._hook.call("bench", workload.as_request(), options)
        except RunFailed as error:
            raise Unmeasurable(str(error)) from error
        (ms_per_step,) = facts.pop("ms_per_step")
        return Round(ms_per_step=ms_per_step, facts=facts)

    def explain(self, workload: Workload) -> list[dict[str, Any]]:
        """Every kernel call of a step (docs/HOW_A_STEP_WORKS.md). Raises RunFailed."""
        options = {"backend": self._backend, "rounds": 1, "round_ms": WARMUP_MS, "explain": True}
        plan: list[dict[str, Any]] = self._hook.call("bench", workload.as_request(), options).get(
            "plan", []
        )
        return plan
