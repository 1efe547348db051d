"""How layers become kernel calls, without a kernel."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from backburner.core.layers import layers_from_wire
from backburner.core.model import ModelSpec
from backburner.core.presets import PRESETS
from backburner.engine.data import Dataset
from backburner.engine.executor import Workload
from backburner.engine.layout import Memory, Region
from backburner.engine.lowering import Calls, lower, lower_update
from backburner.engine.optimizers import SGD, Adam, AdamW, Optimizer

DOCS = Path(__file__).parents[2] / "docs"
BATCH = 4
CONVOLUTION = {"type": "conv2d", "filters": 4, "kernel_size": 3, "activation": "relu"}
POOLING = {"type": "max_pooling2d"}
FLATTEN = {"type": "flatten"}
DENSE = {"type": "dense", "units": 3}


def workload(
    *layers: dict[str, Any],
    shape: tuple[int, ...] = (8, 8, 1),
    optimizer: Optimizer | None = None,
    clip_norm: float | None = None,
) -> Workload:
    placed = layers_from_wire(layers) if layers else PRESETS["small"]
    count = 10
    size = 1
    for side in shape:
        size *= side
    dataset = Dataset.of(
        inputs=bytes(count * size),
        dtype="uint8",
        scale=1 / 255,
        shape=shape,
        labels=[0] * count,
        classes=["a", "b", "c"],
    )
    return Workload(
        spec=ModelSpec.from_layers(placed, input_shape=shape, classes=3),
        dataset=dataset,
        optimizer=optimizer or Adam(learning_rate=0.001),
        batch_size=BATCH,
        seed=1,
        clip_norm=clip_norm,
    )


def plan_of_tiny() -> str:
    """The table in docs/HOW_A_STEP_WORKS.md: the digits, in batches of 32."""
    dataset = Dataset.of(
        inputs=bytes(1797 * 64),
        dtype="uint8",
        scale=1 / 16,
        shape=(8, 8, 1),
        labels=[0] * 1797,
        classes=list("0123456789"),
    )
    given = Workload(
        spec=ModelSpec.from_layers(PRESETS["tiny"]),
        dataset=dataset,
        optimizer=Adam(learning_rate=0.001),
        batch_size=32,
        seed=7,
        clip_norm=None,
    )
    memory = Memory(given)
    calls = lower(given, memory, 32, lambda kernel, *window: 0)
    rows = ["| phase | layer | kernel | what it reads and writes |", "|---|---|---|---|"]
    step = (*calls.step, *lower_update(memory, given.optimizer, None))
    for call in step:
        regions = ", ".join(f"{r.name} `{'x'.join(map(str, r.shape))}`" for r in call.regions)
        rows.append(f"| {call.phase} | {call.layer} | `{call.kernel}` | {regions} |")
    return "\n".join(rows)


def lowered(given: Workload, batch: int = BATCH) -> Calls:
    return lower(given, Memory(given), batch, lambda kernel, *window: 1024)


def kernels_of(calls: Calls) -> list[str]:
    return [call.kernel for call in calls.step]


def test_a_small_network_is_a_short_list_of_calls() -> None:
    calls = lowered(workload(CONVOLUTION, POOLING, FLATTEN, DENSE))
    assert kernels_of(calls) == [
        "gather_bytes",
        "gather",
        "conv2d",
        "max_pool",
        "conv2d",
        "softmax_cross_entropy",
        "activation_gradient",
        "conv2d_gradients",
        "max_pool_gradient",
        "conv2d_gradients",
    ]


def test_a_relu_before_a_max_pooling_is_read_backwards_together_with_it() -> None:
    calls = lowered(workload(CONVOLUTION, POOLING, FLATTEN, DENSE))
    (pooling,) = (call for call in calls.backward if call.kernel == "max_pool_gradient")
    assert "gradient of conv2d_1/bias" in [region.name for region in pooling.regions]
    (lowest,) = (each for each in pooling.arguments if isinstance(each, float))
    assert lowest == 0


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_other_activations_are_calls_of_their_own(activation: str) -> None:
    layer = {**CONVOLUTION, "activation": activation}
    calls = lowered(workload(layer, POOLING, FLATTEN, DENSE))
    assert kernels_of(calls).count("activate") == 1
    assert kernels_of(calls).count("activation_gradient") == 2


def test_every_gradient_is_written_exactly_once() -> None:
    given = workload(CONVOLUTION, CONVOLUTION, POOLING, FLATTEN, DENSE)
    names = [name for name, _ in given.spec.parameters()]
    regions = [
        region.name
        for call in lowered(given).backward
        for region in call.regions
        if region.name.startswith("gradient of ")
    ]
    assert sorted(regions) == sorted(f"gradient of {name}" for name in names)


def test_below_the_first_layer_that_learns_there_is_no_gradient() -> None:
    calls = lowered(workload(POOLING, CONVOLUTION, FLATTEN, DENSE))
    last = calls.backward[-1]
    assert (last.layer, last.kernel) == ("conv2d_1", "conv2d_gradients")
    assert last.arguments[3] is None, "no gradient by its input"


def test_neighbouring_gradients_never_share_a_region() -> None:
    calls = lowered(workload(CONVOLUTION, CONVOLUTION, POOLING, FLATTEN, DENSE))
    for call in calls.backward:
        if call.kernel in ("conv2d_gradients", "max_pool_gradient"):
            errors = [region for region in call.regions if region.name.startswith("errors")]
            assert len({region.name for region in errors}) == len(errors)


def test_regions_do_not_overlap_and_begin_at_cache_lines() -> None:
    memory = Memory(workload())
    taken: list[Region] = [
        *(region for pieces in memory.parameters.values() for region in pieces.values()),
        *memory.errors,
        *memory.bits.values(),
        *{region.offset: region for region in memory.outputs}.values(),
        *(memory.table, memory.table_labels, memory.indexes, memory.inputs, memory.labels),
        *(memory.figures, memory.probabilities, memory.answers),
    ]
    assert all(region.offset % 64 == 0 for region in taken)
    ordered = sorted(taken, key=lambda region: region.offset)
    for before, after in pairwise(ordered):
        size = before.count if before is memory.table else before.size
        assert before.offset + size <= after.offset, (before, after)
    assert ordered[-1].offset + ordered[-1].size <= memory.size


def test_a_smaller_batch_uses_the_beginnings_of_the_same_regions() -> None:
    given = workload()
    full, short = lowered(given), lowered(given, batch=1)
    for large, small in zip(full.step, short.step, strict=True):
        assert large.kernel == small.kernel
        for a, b in zip(large.regions, small.regions, strict=True):
            assert (a.name, a.offset) == (b.name, b.offset)
            assert b.size <= a.size


def test_an_answer_drops_nothing() -> None:
    calls = lowered(workload(FLATTEN, {"type": "dropout", "rate": 0.5}, DENSE))
    (training,) = (call for call in calls.forward if call.kernel == "dropout")
    (answer,) = (call for call in calls.infer if call.kernel == "dropout")
    assert training.arguments[-2:] == (0.0, 2.0)
    assert answer.arguments[-2:] == (float("-inf"), 1.0)


@pytest.mark.parametrize(
    ("optimizer", "kernel", "slots"),
    [
        (SGD(learning_rate=0.1), "sgd", set()),
        (SGD(learning_rate=0.1, momentum=0.9), "sgd", {"velocity"}),
        (Adam(learning_rate=0.1), "adam", {"m", "v"}),
        (AdamW(adam=Adam(learning_rate=0.1), weight_decay=0.1), "adam", {"m", "v"}),
    ],
)
def test_one_call_updates_all_variables(optimizer: Optimizer, kernel: str, slots: set[str]) -> None:
    memory = Memory(workload(optimizer=optimizer))
    (call,) = lower_update(memory, optimizer, None)
    assert call.kernel == kernel
    assert {region.name for region in call.regions} == {"variables", "gradients", *slots}


def test_clipping_is_a_call_before_the_update() -> None:
    given = workload(clip_norm=0.5)
    clip, _ = lower_update(Memory(given), given.optimizer, given.clip_norm)
    assert (clip.kernel, clip.arguments[-1]) == ("clip_by_global_norm", 0.5)


def test_the_plan_in_the_docs_is_the_plan() -> None:
    text = (DOCS / "HOW_A_STEP_WORKS.md").read_text(encoding="utf-8")
    assert plan_of_tiny() in text
