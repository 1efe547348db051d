"""Asks the kitchen how fast it trains (the hook's `bench`)."""

from __future__ import annotations

from dataclasses import asdict

from backburner.app.kitchens import Kitchens
from backburner.core.bench import BenchOptions, BenchWorkload
from backburner.core.messages import Bench, BenchResult

PATIENCE_S = 600.0
"""Beyond what the options ask for: one step on a slow backend may be longer than a round."""


async def bench(kitchens: Kitchens, workload: object, options: object) -> BenchResult:
    """Measures steps of a workload, as JSON, in the kitchen.

    Raises RecipeError or LayerError for what cannot be measured, and what the kitchen refuses.
    """
    wanted = BenchOptions.from_wire(options)
    BenchWorkload.from_wire(workload)
    assert isinstance(workload, dict)
    await kitchens.ensure()
    answer = await kitchens.ask(
        Bench(workload=workload, options=asdict(wanted)),
        timeout_s=PATIENCE_S + wanted.longest_ms / 1_000,
    )
    assert isinstance(answer.message, BenchResult)
    return answer.message
