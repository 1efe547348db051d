"""What each method of fine-tuning trains, learns and forgets: the table of docs/FINE_TUNING.md.

    PYTHONPATH=py .venv/bin/python -m tests.bench.fine_tuning [seeds]

On the built site, by its hook: the preset `small` learns the digits 0 to 7, and then each method
goes on from it, once with the digits 8 and 9 alone, and once with all ten. Five seeds without a
number. Each line is a mean over the seeds, with the smallest and the largest.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from backburner_site import checkout
from tests.bench.browser import served
from tests.browser.conftest import Visit

KNOWN = range(8)
METHODS: tuple[dict[str, Any], ...] = (
    {"name": "all"},
    {"name": "last", "layers": 2},
    {"name": "head"},
    {"name": "lora", "rank": 4, "alpha": 8},
)
NEW = {"8 and 9": (8, 9), "all ten": range(10)}
TRAINING = {"epochs": 10}
TUNING = {"epochs": 5}


def digits(wanted: Sequence[int]) -> dict[str, Any]:
    """The shipped pictures of some digits, as a recipe's inline data."""
    folder = checkout.DIST / "data"
    description = json.loads((folder / "digits.json").read_text())
    height, width, _ = description["shape"]
    binary, maximum = (folder / "digits.bin").read_bytes(), description["maximum"]
    size = height * width
    chosen = [index for index, label in enumerate(description["labels"]) if label in wanted]
    return {
        "source": "inline",
        "inputs": [
            [
                [number / maximum for number in binary[index * size + row * width :][:width]]
                for row in range(height)
            ]
            for index in chosen
        ],
        "labels": [str(description["labels"][index]) for index in chosen],
    }


def trained(visit: Visit, seed: int) -> str:
    """The id of a network that knows the first eight digits."""
    recipe = {"recipe": 1, "seed": seed, "data": digits(KNOWN), "training": TRAINING}
    return str(visit.train({**recipe, "model": {"preset": "small"}})["id"])


def tuned(visit: Visit, base: str, seed: int, data: object, method: dict[str, Any]) -> Any:
    """The snapshot of a fine-tuning that is done."""
    return visit.train(
        {
            "recipe": 1,
            "kind": "fine-tune",
            "seed": seed,
            "model": {"from": base},
            "data": data,
            "method": method,
            "training": TUNING,
        }
    )


def row(data: str, method: dict[str, Any], runs: Sequence[Any]) -> str:
    name = " ".join(str(value) for key, value in method.items() if key in ("name", "layers"))
    if "rank" in method:
        name += f" of rank {method['rank']}"
    first, compared = runs[0], [run["comparison"] for run in runs]
    return " | ".join(
        (
            f"| {data}",
            name,
            f"{first['trained_parameters']:,} of {first['parameters']:,}",
            percent([each["before"]["old"]["accuracy"] for each in compared]),
            percent([each["after"]["old"]["accuracy"] for each in compared]),
            percent([each["forgotten"] for each in compared]),
            percent([each["before"]["new"]["accuracy"] for each in compared]),
            percent([each["after"]["new"]["accuracy"] for each in compared]),
            f"{min(run['timing']['ms_per_step'] for run in runs):.2f} |",
        )
    )


def percent(shares: Sequence[float]) -> str:
    mean, least, most = (
        f"{100 * share:.1f}" for share in (sum(shares) / len(shares), min(shares), max(shares))
    )
    return mean if least == most else f"{mean} ({least} to {most})"


def main(seeds: int) -> None:
    found: dict[tuple[str, int], list[Any]] = {}
    with served() as (browser, url):
        for seed in range(1, seeds + 1):
            # A page for each seed: what it trains with has been measured, and is remembered.
            visit = Visit(browser.new_context().new_page(), url).open("?backend=wasm")
            base = trained(visit, seed)
            for data, wanted in NEW.items():
                examples = digits(wanted)
                for at, method in enumerate(METHODS):
                    run = tuned(visit, base, seed, examples, method)
                    found.setdefault((data, at), []).append(run)
                    print(json.dumps(brief(data, run)), file=sys.stderr, flush=True)
            visit.page.context.close()
    print(
        "| new data | method | weights that learn | old digits before, % | after, % | forgotten, %"
        " | new data before, % | after, % | ms a step |"
    )
    print("|" + "---|" * 9)
    for (data, at), runs in found.items():
        print(row(data, METHODS[at], runs))


def brief(data: str, run: Any) -> dict[str, Any]:
    keys = ("method", "trained_parameters", "comparison", "executor")
    return {"data": data, **{key: run[key] for key in keys}}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
