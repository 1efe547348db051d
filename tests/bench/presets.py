"""What the presets learn: accuracy on pictures, bits per character of text.

    PYTHONPATH=py .venv/bin/python -m tests.bench.presets [seeds]

On the built site, by its hook, on wasm. Pictures: each preset on the digits and on shapes of three
difficulties, ten epochs, five seeds without a number; a line is a mean over the seeds, with the
smallest and the largest. Text: one run of the preset `text` on the shipped text, epoch by epoch, at
the learning rate that Create proposes for texts.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.browser import served
from tests.browser.conftest import Visit

PICTURES: dict[str, Mapping[str, Any]] = {
    "digits": {"source": "digits"},
    **{
        f"shapes, difficulty {difficulty}": {"source": "shapes", "difficulty": difficulty}
        for difficulty in (0.0, 0.3, 1.0)
    },
}
PRESETS = ("tiny", "small", "deeper")
EPOCHS = 10
TEXT_TRAINING = {
    "epochs": 20,
    "learning_rate": 0.005,
    "schedule": {"name": "cosine", "warmup_steps": 50},
}


def trained(visit: Visit, recipe: Mapping[str, Any]) -> Any:
    """The snapshot of a run that is done."""
    return visit.train({"recipe": 1, **recipe})


def pictures(visit: Visit, seeds: Sequence[int]) -> None:
    print("| data | preset | weights | validation, % | test, % | ms a step | s in all |")
    print("|---|---|---|---|---|---|---|")
    for name, data in PICTURES.items():
        for preset in PRESETS:
            runs = [
                trained(
                    visit,
                    {
                        "seed": seed,
                        "data": data,
                        "model": {"preset": preset},
                        "training": {"epochs": EPOCHS},
                    },
                )
                for seed in seeds
            ]
            shares = (
                percent([run[part]["accuracy"] for run in runs]) for part in ("validation", "test")
            )
            times = (
                f"{min(run['timing'][key] for run in runs):.2f}"
                for key in ("ms_per_step", "elapsed_s")
            )
            weights = f"{runs[0]['parameters']:,}"
            print(" | ".join((f"| {name}", preset, weights, *shares, *times)) + " |", flush=True)


def percent(shares: Sequence[float]) -> str:
    mean, least, most = (
        f"{100 * share:.1f}" for share in (sum(shares) / len(shares), min(shares), max(shares))
    )
    return f"{mean} ({least} to {most})"


def text(visit: Visit) -> None:
    run = trained(visit, {"seed": 0, "data": {"source": "text"}, "training": TEXT_TRAINING})
    ends = visit.hook("history", run["id"])["epochs"]
    pace_s = run["timing"]["elapsed_s"] / len(ends)
    print(
        f"\nbaselines: {json.dumps(run['baselines'])}; {run['timing']['ms_per_step']:.1f} ms a step"
    )
    print("| epoch | s, about | bits per character, validation |\n|---|---|---|")
    for end in ends:
        bits = end["validation"]["loss"] / math.log(2)
        print(f"| {end['epoch']} | {pace_s * end['epoch']:.0f} | {bits:.3f} |")
    print(f"test: {run['test']['bits_per_character']:.3f} bits per character")
    written = visit.hook(
        "start",
        {
            "recipe": 1,
            "kind": "generate",
            "model": {"from": run["id"]},
            "generation": {"length": 5000},
        },
    )
    done = visit.hook("wait", written["id"])
    print(f"writes {done['characters_per_s']:.0f} characters/s:\n{done['text'][:600]}")


def main(seeds: int) -> None:
    with served() as (browser, url):
        visit = Visit(browser.new_context().new_page(), url).open("?backend=wasm")
        pictures(visit, range(seeds))
        text(visit)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
