"""What a run is said to take before it begins."""

from __future__ import annotations

from dataclasses import replace

from backburner.core.backends import Trial
from backburner.core.layers import Dense, Embedding, Flatten
from backburner.core.model import ModelSpec
from backburner.core.placed_layer import Adapter
from backburner.core.promise import (
    LARGEST_HEAP_BYTES,
    Work,
    available_bytes,
    promised_s,
    tape_bytes,
)

SPEC = ModelSpec.from_layers((Flatten(), Dense(units=2)), input_shape=(2, 2, 1), classes=2)


def test_steps_and_evaluations_take_their_time() -> None:
    work = Work.of(epochs=3, steps=30, batch_size=8, validation=9, test=8)
    assert work == Work(steps=30, evaluations=3 * 2 + 1)
    trial = Trial(backend="wasm", ms_per_step=100.0, ms_per_evaluation=10.0)
    assert promised_s(work, trial) == 3.07


def test_without_a_measured_pace_nothing_is_promised() -> None:
    work = Work.of(epochs=1, steps=1, batch_size=1, validation=0, test=0)
    assert promised_s(work, Trial(backend="webgl", problem="no adapter")) is None
    assert promised_s(work, Trial(backend="wasm", ms_per_step=500.0)) == 0.5


def test_the_memory_of_the_tape_is_that_of_data_weights_and_batch() -> None:
    nothing = tape_bytes(SPEC, batch_size=1, slots=0, examples=0)
    # 10 weights, their gradients and the next ones; 4 inputs; a label's row of 2; 4 + 2 numbers
    # that layers put out.
    assert nothing == 4 * (10 * 3 + 4 + 2 + (4 + 2) * 9)
    with_data = tape_bytes(SPEC, batch_size=1, slots=0, examples=5)
    assert with_data - nothing == 4 * 5 * (4 + 1)
    adam = tape_bytes(SPEC, batch_size=1, slots=2, examples=0)
    assert adam - nothing == 4 * 10 * 4
    assert tape_bytes(SPEC, batch_size=9, slots=0, examples=0) > nothing


def test_of_a_text_only_the_batchs_labels_are_rows_of_a_number_for_each_class() -> None:
    layers = (Embedding(output_dim=3), Dense(units=50))
    spec = ModelSpec.from_layers(layers, input_shape=(7,), classes=50, symbols=50)
    few, many = (tape_bytes(spec, batch_size=1, slots=0, examples=count) for count in (0, 100))
    assert many - few == 4 * 100 * (7 + 7)
    embedded = tape_bytes(spec, batch_size=2, slots=0, examples=0) - few
    assert embedded == 4 * (7 + 7 * 50 + 3 * (7 * 3 * 3 + 7 * 50 + 7 * 50 * 3))


def test_a_frozen_weight_has_neither_gradient_nor_memory() -> None:
    (flatten, dense) = SPEC.layers
    kept = tuple(replace(each, is_trained=False) for each in dense.parameters)
    frozen = replace(SPEC, layers=(flatten, replace(dense, parameters=kept)))
    learning, still = (
        tape_bytes(each, batch_size=1, slots=2, examples=0) for each in (SPEC, frozen)
    )
    assert learning - still == 4 * 10 * 6


def test_a_kernel_with_an_adapter_is_made_anew_in_each_step_and_has_gradients() -> None:
    (flatten, dense) = SPEC.layers
    adapter = Adapter(rank=1, alpha=1)
    kept = tuple(replace(each, is_trained=False) for each in dense.parameters)
    still = replace(SPEC, layers=(flatten, replace(dense, parameters=kept)))
    tuned = replace(dense, parameters=(*kept, *adapter.parameters(kept[0])), adapter=adapter)
    adapted = replace(SPEC, layers=(flatten, tuned))
    before, after = (
        tape_bytes(each, batch_size=1, slots=2, examples=0) for each in (still, adapted)
    )
    # Matrices of 4 and of 2 numbers, all that the optimizer needs beside them, and 8 of the kernel.
    assert after - before == 4 * ((4 + 2) * 7 + 8 * 5)


def test_a_page_has_half_of_the_device_at_most_and_never_more_than_a_heap() -> None:
    assert available_bytes(4) == 2 * 2**30
    assert available_bytes(64) == LARGEST_HEAP_BYTES
    assert available_bytes(None) == LARGEST_HEAP_BYTES
