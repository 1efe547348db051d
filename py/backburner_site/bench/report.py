"""What a contest came to: as JSON for tools, as a table for people."""

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backburner_site.bench.contest import OURS, Result


def workloads_json(results: Sequence[Result]) -> dict[str, Any]:
    """`{W1: {ours_ms, peers: {name: ms}, ratio: {name: x}, …}}` of what has been measured.

    `ours_ms` and `peers` are the best rounds; a ratio says how many times faster ours is. Beside
    them stand every round, how they are scattered, and who was left out for what reason.
    """
    return {
        result.workload.name: {
            "ours_ms": result.best_ms(OURS),
            "peers": result.peers(),
            "ratio": result.ratios(),
            "title": result.workload.title,
            "request": result.workload.as_request(),
            "rounds_ms": {
                name: [each.ms_per_step for each in rounds]
                for name, rounds in result.rounds.items()
            },
            "spread_ms": {name: result.spread(name) for name in result.rounds},
            "notes": {
                name: {**note, **(result.rounds[name][-1].facts if name in result.rounds else {})}
                for name, note in result.notes.items()
            },
            "left_out": result.left_out,
        }
        for result in results
    }


def table(results: Sequence[Result]) -> str:
    """One row a workload, one column a contestant: milliseconds, and how many times ours is
    faster."""
    names = list(dict.fromkeys(name for result in results for name in result.rounds))
    rows = [["", *names]]
    for result in results:
        ratios = result.ratios()
        row = [result.workload.name]
        for name in names:
            best = result.best_ms(name)
            ratio = f" ({ratio_words(ratios[name])})" if name in ratios else ""
            row.append("–" if best is None else f"{best:.4g}{ratio}")
        rows.append(row)
    return "\n".join(
        ["Milliseconds a step, the best round (how many times faster ours is)", *_aligned(rows)]
    )


def plan_table(name: str, plan: Sequence[dict[str, Any]]) -> str:
    """Every kernel call of a step, the longest marked by its share of the whole."""
    whole_ms = sum(call["ms"] for call in plan)
    rows = [["", "layer", "kernel", "µs", "share", "KB", "reads and writes"]]
    rows += [
        [
            call["phase"],
            call["layer"],
            call["kernel"],
            f"{1_000 * call['ms']:,.1f}",
            f"{call['ms'] / whole_ms:.0%}",
            f"{call['bytes'] / 1_000:,.0f}",
            ", ".join(call["regions"]),
        ]
        for call in plan
    ]
    title = f"{name}: a step is {len(plan)} calls, {whole_ms:.4g} ms when each is timed by itself"
    return "\n".join([title, *_aligned(rows, words=(1, 2, 6))])


def boot_table(boot: dict[str, Any]) -> str:
    """The two kinds of visit, and when page and worker were ready."""
    rows = [["", "page ready", "worker ready"]]
    for visit, title in (("cold", "first visit"), ("warm", "later visit")):
        times = boot[visit]
        rows.append([title, f"{times['page_ms']:,.0f} ms", f"{times['worker_ms']:,.0f} ms"])
    return "\n".join(["Start, from the navigation (medians)", *_aligned(rows)])


def ratio_words(ratio: float) -> str:
    """`×2.40`, `×41`, `×0.38`: three digits tell enough."""
    return f"×{ratio:.0f}" if ratio >= 99.5 else f"×{ratio:.3g}"


def left_out_words(results: Sequence[Result]) -> list[str]:
    """A line for each who passed."""
    return [
        f"{result.workload.name} without {name}: {reason}"
        for result in results
        for name, reason in result.left_out.items()
    ]


def machine() -> dict[str, Any]:
    """What it was measured on."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not a Linux
    return platform.processor() or platform.machine()


def _aligned(rows: list[list[str]], *, words: Sequence[int] = ()) -> list[str]:
    """Columns of numbers, but for the first and those of `words`."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place == 0 or place in words else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
