"""The table of workloads: what the app would take, and what the docs say."""

from __future__ import annotations

import pytest

from backburner.core.layers import layers_from_wire
from backburner.core.model import ModelSpec
from backburner_site import checkout
from backburner_site.bench.workloads import WORKLOADS, Workload, chosen

DOC = checkout.ROOT / "docs" / "BENCH.md"


def of(name: str) -> Workload:
    (workload,) = chosen(name)
    return workload


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_every_workload_is_a_model_that_the_app_can_build(workload: Workload) -> None:
    layers = layers_from_wire(workload.as_request()["layers"], "layers")
    spec = ModelSpec.from_layers(layers, input_shape=workload.input, output="last")
    classes = 64 if workload.name == "W5" else 10
    assert spec.classes == classes


def test_names_are_different_and_a_request_holds_what_the_hook_takes() -> None:
    assert len({workload.name for workload in WORKLOADS}) == len(WORKLOADS)
    for workload in WORKLOADS:
        assert set(workload.as_request()) == {"input", "layers", "batch_size", "optimizer"}


def test_the_second_is_the_first_with_a_larger_batch() -> None:
    first, second = of("W1").as_request(), of("W2").as_request()
    assert (first.pop("batch_size"), second.pop("batch_size")) == (32, 128)
    assert first == second


def test_the_character_model_looks_back_further_and_further() -> None:
    layers = of("W5").layers
    assert [layer.get("dilation_rate") for layer in layers] == [1, 2, 4, None]
    assert {layer["padding"] for layer in layers[:3]} == {"causal"}


def test_the_docs_list_every_workload_with_its_title() -> None:
    text = DOC.read_text(encoding="utf-8")
    for workload in WORKLOADS:
        assert f"| {workload.name} | {workload.title} |" in text


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match="no workload W6, W7; known are W1, W2"):
        chosen("W1,w7,W6")
