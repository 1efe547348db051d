"""The JSON that tools read, and the tables that people read."""

from __future__ import annotations

import json

from backburner_site.bench import report
from backburner_site.bench.boot import summary
from backburner_site.bench.workloads import WORKLOADS
from tests.site.bench.makers import result

BOOT = {"cold": {"page_ms": 2500.0, "worker_ms": 2400.4}, "warm": {"page_ms": 900, "worker_ms": 8}}


def test_the_json_has_the_promised_shape() -> None:
    found = report.workloads_json([result(ours=[4.0, 2.0], pytorch=[5.0, 6.0])])
    entry = json.loads(json.dumps(found))["W1"]
    assert entry["ours_ms"] == 2
    assert entry["peers"] == {"pytorch": 5}
    assert entry["ratio"] == {"pytorch": 2.5}
    assert entry["rounds_ms"] == {"ours": [4, 2], "pytorch": [5, 6]}
    assert entry["notes"]["ours"] == {"executor": "ours"}
    assert entry["request"] == json.loads(json.dumps(WORKLOADS[0].as_request()))


def test_a_workload_that_was_interrupted_at_once_is_still_json() -> None:
    entry = report.workloads_json([result()])["W1"]
    assert (entry["ours_ms"], entry["peers"], entry["ratio"]) == (None, {}, {})


def test_the_table_has_a_column_for_each_who_was_measured_anywhere() -> None:
    without = result(WORKLOADS[3], ours=[12.0])
    without.left_out["pytorch"] = "no such layer"
    results = [result(ours=[2.0], pytorch=[4.8]), without]
    assert report.table(results).splitlines()[1:] == [
        "    ours     pytorch",
        "W1     2  4.8 (×2.4)",
        "W4    12           –",
    ]
    assert report.left_out_words(results) == ["W4 without pytorch: no such layer"]


def test_ratios_are_written_with_three_digits() -> None:
    words = [report.ratio_words(ratio) for ratio in (0.3821, 2.4, 41.04, 178.2)]
    assert words == ["×0.382", "×2.4", "×41", "×178"]


def test_the_start_is_told_by_visit() -> None:
    assert report.boot_table(BOOT).splitlines() == [
        "Start, from the navigation (medians)",
        "             page ready  worker ready",
        "first visit    2,500 ms      2,400 ms",
        "later visit      900 ms          8 ms",
    ]


def test_the_start_is_the_median_of_its_loads() -> None:
    loads = [{"page": 3.0, "worker": 9.0, "boot": 1.0}, {"page": 1.0, "worker": 7.0, "boot": 1.0}]
    assert summary(loads) == {"page_ms": 2, "worker_ms": 8, "loads": loads}


def test_the_machine_is_described() -> None:
    found = report.machine()
    assert set(found) == {"system", "processor", "cores", "python"}
    assert all(found.values())


def test_a_plan_is_told_call_by_call() -> None:
    call = {"phase": "forward", "layer": "dense_1", "kernel": "conv2d", "bytes": 9472}
    plan = [
        {**call, "ms": 0.03, "regions": ["inputs 32x64", "dense_1 output 32x10"]},
        {**call, "phase": "update", "layer": "optimizer", "kernel": "adam", "ms": 0.01,
         "regions": ["variables 650"]},
    ]  # fmt: skip
    assert report.plan_table("W1", plan).splitlines() == [
        "W1: a step is 2 calls, 0.04 ms when each is timed by itself",
        "         layer      kernel    µs  share  KB  reads and writes",
        "forward  dense_1    conv2d  30.0    75%   9  inputs 32x64, dense_1 output 32x10",
        "update   optimizer  adam    10.0    25%   9  variables 650",
    ]
