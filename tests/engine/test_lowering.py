"""How layers become kernel calls, without a kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from backburner.core.augmentation import Augmentation
from backburner.core.layers import LAYER_TYPES, layers_from_wire
from backburner.core.model import ModelSpec
from backburner.core.placed_layer import Adapter, PlacedLayer
from backburner.core.presets import PRESETS
from backburner.engine.data import Dataset
from backburner.engine.executor import Workload
from backburner.engine.layout import Memory
from backburner.engine.lowering.calls import Argument, Calls
from backburner.engine.lowering.layers import RULES
from backburner.engine.lowering.step import lower, lower_update
from backburner.engine.optimizers import SGD, Adam, AdamW, Optimizer
from backburner.engine.regions import Region

DOCS = Path(__file__).parents[2] / "docs"
BATCH = 4
CONVOLUTION = {"type": "conv2d", "filters": 4, "kernel_size": 3, "activation": "relu"}
POOLING = {"type": "max_pooling2d"}
FLATTEN = {"type": "flatten"}
DENSE = {"type": "dense", "units": 3}
NORMALIZATION = {"type": "batch_normalization", "momentum": 0.9}
DEPTHWISE = {"type": "depthwise_conv2d", "kernel_size": 3, "padding": "same"}
SAME = CONVOLUTION | {"padding": "same"}
EVERYTHING: list[dict[str, Any]] = [
    SAME,
    NORMALIZATION,
    {"type": "separable_conv2d", "filters": 4, "kernel_size": 3, "activation": "gelu"},
    {"type": "residual", "layers": [
        {"type": "layer_normalization"}, SAME, {"type": "residual", "layers": [DEPTHWISE]}]},
    {"type": "reshape", "target_shape": [-1, 4]},
]  # fmt: skip


def workload(
    *layers: dict[str, Any],
    shape: tuple[int, ...] = (8, 8, 1),
    optimizer: Optimizer | None = None,
    **settings: Any,
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
        **{"clip_norm": None, **settings},
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
    step = (*calls.step, *lower_update(memory, given))
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
    memory = Memory(workload(*EVERYTHING, {"type": "dropout", "rate": 0.5}, FLATTEN))
    taken: list[Region] = [
        *(region for pieces in memory.parameters.values() for region in pieces.values()),
        *memory.errors,
        *(region for kept in memory.kept.values() for region in kept.values()),
        *(region for kept in memory.kept_once.values() for region in kept.values()),
        *{region.offset: region for region in memory.outputs.values()}.values(),
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
    given = workload(optimizer=optimizer)
    (call,) = lower_update(Memory(given), given)
    assert call.kernel == kernel
    assert {region.name for region in call.regions} == {"variables", "gradients", *slots}


def test_what_changes_from_step_to_step_is_given_to_the_last_call() -> None:
    sgd, adam = SGD(learning_rate=0.1), Adam(learning_rate=0.1)
    assert sgd.step_arguments(3) == (0.1,)
    assert adam.step_arguments(3) == (0.0, adam.rate(3))
    decay, rate = AdamW(adam=adam, weight_decay=0.5).step_arguments(3)
    assert (decay, rate) == (0.05, adam.rate(3))


def test_a_schedule_multiplies_the_rate_and_what_a_decay_takes() -> None:
    sgd, adam = SGD(learning_rate=0.1), Adam(learning_rate=0.1)
    assert sgd.step_arguments(3, 0.5) == (0.05,)
    assert adam.step_arguments(3, 0.5) == (0.0, pytest.approx(adam.rate(3) / 2))
    decay, rate = AdamW(adam=adam, weight_decay=0.5).step_arguments(3, 0.5)
    assert (decay, rate) == (pytest.approx(0.025), pytest.approx(adam.rate(3) / 2))


def test_clipping_is_a_call_before_the_update() -> None:
    given = workload(clip_norm=0.5)
    clip, _ = lower_update(Memory(given), given)
    assert (clip.kernel, clip.arguments[-1]) == ("clip_by_global_norm", 0.5)


def test_the_plan_in_the_docs_is_the_plan() -> None:
    text = (DOCS / "HOW_A_STEP_WORKS.md").read_text(encoding="utf-8")
    assert plan_of_tiny() in text


def test_a_regularizer_adds_to_the_gradients_of_the_kernels_before_they_are_clipped() -> None:
    given = workload(CONVOLUTION, FLATTEN, DENSE, l2=0.01, clip_norm=1.0)
    memory = Memory(given)
    *added, clip, _ = lower_update(memory, given)
    assert clip.kernel == "clip_by_global_norm"
    assert [call.kernel for call in added] == ["add", "add"]
    assert [call.regions[1].name for call in added] == ["conv2d_1/kernel", "dense_1/kernel"]
    for call in added:
        gradient, variable, to, count, scale = call.arguments
        assert gradient == to != variable
        assert (count, scale) == (call.regions[0].count, 0.02)


def test_a_step_varies_its_examples_and_an_evaluation_does_not() -> None:
    varied = Augmentation(shift=0.1, noise=0.05)
    calls = lowered(workload(FLATTEN, DENSE, augmentation=varied), batch=3)
    assert [call.kernel for call in calls.examples] == [
        "gather_bytes", "gather", "transform", "random_bits", "add_noise",
    ]  # fmt: skip
    gathered, _, moved, *_, noisy = calls.examples
    x, of_each, y, *sizes = moved.arguments
    assert x == gathered.arguments[2]
    assert (x.shape, of_each.shape, y.shape) == ((3, 8, 8, 1), (3, 6), (3, 8, 8, 1))  # type: ignore[union-attr]
    assert sizes == [3, 8, 8, 1]
    assert noisy.arguments[0] == y == calls.input[0].arguments[2]
    assert [call.kernel for call in calls.input] == ["gather_bytes", "gather"]


def test_noise_alone_moves_nothing() -> None:
    calls = lowered(workload(FLATTEN, DENSE, augmentation=Augmentation(noise=0.05)))
    assert [call.kernel for call in calls.examples[2:]] == ["random_bits", "add_noise"]
    assert calls.examples[:2] == calls.input


def test_the_loss_is_told_how_much_each_class_counts() -> None:
    weighed = lowered(workload(FLATTEN, DENSE, class_weights=(1.0, 2.0, 0.5))).loss
    assert weighed.arguments[2].shape == (3,)  # type: ignore[union-attr]
    assert lowered(workload(FLATTEN, DENSE)).loss.arguments[2] is None


# --- more kinds of layers ------------------------------------------------------------------


def names(regions: Iterable[Argument]) -> list[str]:
    return [region.name for region in regions if isinstance(region, Region)]


def changed(given: Workload, **changes: Callable[[PlacedLayer], PlacedLayer]) -> Workload:
    """The workload with some layers replaced, by their names."""

    def replaced(placed: PlacedLayer) -> PlacedLayer:
        inner = tuple(map(replaced, placed.inner))
        changed = changes.get(placed.name.replace("/", "__"), lambda each: each)
        return changed(replace(placed, inner=inner))

    spec = replace(given.spec, layers=tuple(map(replaced, given.spec.layers)))
    return replace(given, spec=spec)


def frozen(placed: PlacedLayer) -> PlacedLayer:
    parameters = tuple(replace(each, is_trained=False) for each in placed.parameters)
    return replace(placed, parameters=parameters, is_frozen=True)


def adapted(placed: PlacedLayer) -> PlacedLayer:
    adapter = Adapter(rank=2, alpha=3.0)
    (kernel,) = (each for each in placed.parameters if each.name == "kernel")
    own = frozen(placed).parameters
    return replace(placed, parameters=own + adapter.parameters(kernel), adapter=adapter)


def test_every_type_of_layer_can_be_lowered() -> None:
    assert set(RULES) == set(LAYER_TYPES.values())


def test_a_batch_is_normalized_by_its_own_moments_and_an_answer_by_those_that_were_kept() -> None:
    given = workload(CONVOLUTION, NORMALIZATION)
    calls = lowered(given)
    in_step = [call for call in calls.forward if call.layer == "batch_normalization_1"]
    in_answer = [call for call in calls.infer if call.layer == "batch_normalization_1"]
    own = ["batch_normalization_1 mean", "batch_normalization_1 variance"]
    kept = ["batch_normalization_1/moving_mean", "batch_normalization_1/moving_variance"]
    assert [call.kernel for call in in_step] == ["moments", "normalize"]
    assert names(in_step[0].arguments)[1:] == own
    assert names(in_step[1].arguments)[1:3] == own
    assert [call.kernel for call in in_answer] == ["normalize"]
    assert names(in_answer[0].arguments)[1:3] == kept


def test_statistics_move_in_the_update_and_have_no_gradients() -> None:
    given = workload(CONVOLUTION, NORMALIZATION)
    memory = Memory(given)
    *moving, _ = lower_update(memory, given)
    assert [call.kernel for call in moving] == ["blend", "blend"]
    assert [call.arguments[-1] for call in moving] == [0.9, 0.9]
    statistics = [name for name, each in given.spec.parameters() if each.is_statistic]
    assert [call.regions[0].name for call in moving] == statistics
    assert not set(statistics) & set(memory.parameters["gradients"])
    touched = [region.name for call in lowered(given).step for region in call.regions]
    assert not set(statistics) & set(touched)


def test_a_frozen_normalization_uses_what_was_kept_and_leaves_it() -> None:
    given = changed(workload(CONVOLUTION, NORMALIZATION), batch_normalization_1=frozen)
    calls = lowered(given)
    of_it = [call.kernel for call in calls.step if call.layer == "batch_normalization_1"]
    assert of_it == ["normalize", "normalize_gradient"]
    assert [call.kernel for call in lower_update(Memory(given), given)] == ["adam"]


def test_what_is_frozen_has_no_gradient_and_lies_outside_of_what_the_optimizer_changes() -> None:
    given = changed(workload(CONVOLUTION, CONVOLUTION, FLATTEN, DENSE), conv2d_1=frozen)
    memory, calls = Memory(given), lowered(given)
    assert "conv2d_1" not in {call.layer for call in calls.backward}
    assert calls.backward[-1].layer == "conv2d_2"
    variables, kernel = (
        memory.blocks["variables"],
        memory.parameters["variables"]["conv2d_1/kernel"],
    )
    assert kernel.offset >= variables.offset + variables.size
    assert kernel.offset + kernel.size <= memory.weights.offset + memory.weights.size
    assert set(memory.parameters["m"]) == set(memory.parameters["gradients"])
    assert "conv2d_1/kernel" not in memory.parameters["gradients"]


def test_errors_pass_through_what_is_frozen_to_what_learns_below() -> None:
    given = changed(workload(CONVOLUTION, CONVOLUTION, FLATTEN, DENSE), conv2d_2=frozen)
    relu, through = (call for call in lowered(given).backward if call.layer == "conv2d_2")
    assert relu.kernel == "activation_gradient"
    assert relu.arguments[2] is None, "no gradient by its bias"
    *_, dx, gradient = through.arguments[:5]
    assert isinstance(dx, Region)
    assert gradient is None


def test_an_adapted_layer_computes_with_the_sum_of_its_kernel_and_its_adapter() -> None:
    given = changed(workload(CONVOLUTION, FLATTEN, DENSE), conv2d_1=adapted)
    calls = lowered(given)
    for computed in (calls.forward, calls.infer):
        product, added, applied = (call for call in computed if call.layer == "conv2d_1")
        in_use = product.arguments[3]
        assert names(product.arguments)[:2] == ["conv2d_1/lora_a", "conv2d_1/lora_b"]
        assert (added.kernel, added.arguments[-1]) == ("add", 1.5)
        assert names(added.arguments)[0] == "conv2d_1/kernel"
        assert in_use == added.arguments[2] == applied.arguments[1]


def test_the_gradients_of_an_adapter_are_made_of_the_one_by_the_kernel_in_use() -> None:
    given = changed(workload(CONVOLUTION, CONVOLUTION, FLATTEN, DENSE), conv2d_2=adapted)
    given = changed(given, conv2d_1=frozen)
    *_, by_kernel, scaled, by_both = lowered(given).backward
    assert by_kernel.layer == "conv2d_2"
    assert by_kernel.arguments[3] is None, "nothing below it learns"
    assert by_kernel.arguments[4] == scaled.arguments[1] == scaled.arguments[2]
    assert scaled.arguments[2] == by_both.arguments[2]
    assert names(by_both.arguments)[3:5] == [
        "gradient of conv2d_2/lora_a",
        "gradient of conv2d_2/lora_b",
    ]
    assert by_both.arguments[-15:] == (1, 1, 36, 2, 4, 1, 1, 1, 1, 1, 1, 0, 0, 1, 36)


def test_a_gelu_keeps_what_it_was_given() -> None:
    calls = lowered(workload(CONVOLUTION | {"activation": "gelu"}, POOLING, FLATTEN, DENSE))
    summed, activated = (call for call in calls.forward if call.layer == "conv2d_1")
    assert summed.arguments[3] == activated.arguments[0] != activated.arguments[1]
    back, _ = (call for call in calls.backward if call.layer == "conv2d_1")
    assert back.kernel == "gelu_gradient"
    assert back.arguments[1] == activated.arguments[0]


def test_a_separable_convolution_is_a_depthwise_one_and_one_of_a_single_place() -> None:
    layer = {"type": "separable_conv2d", "filters": 5, "kernel_size": 3, "depth_multiplier": 2}
    calls = lowered(workload(CONVOLUTION, layer, FLATTEN, DENSE))
    kernels = [call.kernel for call in calls.step if call.layer == "separable_conv2d_1"]
    assert kernels == [
        "depthwise_conv2d",
        "conv2d",
        "activation_gradient",
        "conv2d_gradients",
        "depthwise_conv2d_gradients",
    ]
    *_, mixing, sliding = (c for c in calls.backward if c.layer == "separable_conv2d_1")
    assert mixing.arguments[3] == sliding.arguments[2], "its errors go from one to the other"
    assert mixing.arguments[-15:] == (1, 1, 64, 8, 5, 1, 1, 1, 1, 1, 1, 0, 0, 1, 64)


def test_a_reshape_calls_nothing() -> None:
    given = workload(CONVOLUTION, {"type": "reshape", "target_shape": [9, -1]}, FLATTEN, DENSE)
    calls = lowered(given)
    assert not {"reshape_1", "flatten_1"} & {call.layer for call in (*calls.step, *calls.infer)}


def test_an_embedding_has_a_gradient_by_its_table_and_no_errors_by_its_symbols() -> None:
    spec = ModelSpec.from_layers(
        layers_from_wire([{"type": "embedding", "output_dim": 6}, DENSE]),
        input_shape=(7,),
        classes=3,
        symbols=3,
    )
    plain = workload(FLATTEN, DENSE, shape=(7, 1, 1))
    data = replace(plain.dataset, shape=(7,), scale=1, positions=7, labels=[0] * 70, is_text=True)
    calls = lowered(replace(plain, spec=spec, dataset=data))
    (looked,) = (call for call in calls.forward if call.layer == "embedding_1")
    assert looked.arguments[-2:] == (BATCH * 7, 6)
    last = calls.backward[-1]
    assert (last.kernel, last.arguments[-3:]) == ("embedding_gradient", (BATCH * 7, 6, 3))


RESIDUAL = {"type": "residual", "layers": [SAME, {"type": "residual", "layers": [SAME]}]}


def test_the_errors_of_a_shortcut_wait_where_nobody_writes() -> None:
    """Of every call on the way back through two residuals, one in the other."""
    given = workload(SAME, RESIDUAL, FLATTEN, DENSE)
    calls = lowered(given).backward
    assert len(Memory(given).errors) == 4
    waiting: list[tuple[int, str]] = []
    for call in calls:
        errors = [
            each
            for each in call.arguments
            if isinstance(each, Region) and each.name.startswith("errors")
        ]
        held = [name for _, name in waiting]
        if call.kernel == "add" and call.arguments[0] is None:
            assert errors[0].name != errors[1].name
            assert errors[1].name not in held
            waiting.append((1, errors[0].name))
        elif call.kernel == "add":
            assert errors[0] == errors[2] != errors[1]
            assert waiting.pop()[1] == errors[0].name
        else:
            assert not set(held) & {each.name for each in errors}, call
    assert waiting == []
    assert [call.layer for call in calls if call.kernel == "add"] == [
        "residual_1",
        "residual_1/residual_1",
        "residual_1/residual_1",
        "residual_1",
    ]


def test_below_a_residual_in_which_something_learns_nothing_waits_for_nobody() -> None:
    given = workload(RESIDUAL, FLATTEN, DENSE, shape=(8, 8, 4))
    calls = lowered(given).backward
    assert calls[-1].layer == "residual_1/conv2d_1"
    assert calls[-1].arguments[3] is None
    assert [call.layer for call in calls if call.kernel == "add"] == ["residual_1/residual_1"] * 2


def test_every_gradient_is_written_exactly_once_whatever_the_layers() -> None:
    given = workload(*EVERYTHING, FLATTEN, DENSE)
    trained = [name for name, each in given.spec.parameters() if each.is_trained]
    written = [
        region.name
        for call in lowered(given).backward
        for region in call.regions
        if region.name.startswith("gradient of ")
    ]
    assert sorted(written) == sorted(f"gradient of {name}" for name in trained)
