"""`build.py bench` on the built site, in a real browser: one small workload, one short round."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backburner_site.bench.command import Bench, run
from backburner_site.bench.workloads import Workload
from backburner_site.browser import find_browser
from backburner_site.progress import Progress

pytestmark = pytest.mark.browser

SMALL = Workload(
    name="W0",
    title="next to nothing",
    input=(4, 4, 1),
    layers=(
        {"type": "conv2d", "filters": 2, "kernel_size": 3, "activation": "relu"},
        {"type": "flatten"},
        {"type": "dense", "units": 3},
    ),
    batch_size=4,
)


def test_a_bench_measures_the_page_beside_its_peers_and_how_it_starts(
    dist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(
        (SMALL,),
        rounds=1,
        round_ms=20,
        loads=1,
        with_torch=False,
        explains=True,
        progress=Progress(),
    )
    file = tmp_path / "bench.json"
    # In a thread of its own: in this one Playwright is at work for the other tests.
    with ThreadPoolExecutor(1) as apart:
        apart.submit(run, bench, dist, find_browser(Progress()), file).result()
    found = json.loads(file.read_text())
    assert found["complete"] is True
    entry = found["workloads"]["W0"]
    assert set(entry["peers"]) == set(entry["ratio"]) == {"tfjs-wasm", "tfjs-cpu"}
    for name, peer_ms in entry["peers"].items():
        assert entry["ratio"][name] == pytest.approx(peer_ms / entry["ours_ms"])
    assert entry["notes"]["tfjs-cpu"]["backend"] == "cpu"
    assert {name: entry["notes"][name]["backend"] for name in ("ours", "tfjs-wasm")} == {
        "ours": "wasm",
        "tfjs-wasm": "wasm",
    }
    assert entry["notes"]["tfjs-wasm"]["executor"] == "tape"
    assert found["kernels"] == {"ours": "relaxed", "tfjs-wasm": "stock", "tfjs-cpu": "stock"}
    assert [call["kernel"] for call in found["plans"]["W0"]][-1] == "adam"
    for visit in ("cold", "warm"):
        assert found["boot"][visit]["page_ms"] > 0
        assert found["boot"][visit]["worker_ms"] > 0
    said = capsys.readouterr()
    assert "W0: a step is " in said.out
    assert "first visit" in said.out
    assert "PyTorch is not installed" in said.err
