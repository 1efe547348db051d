"""Which backend wins, which is out, and what is remembered."""

from __future__ import annotations

import json

import pytest

from backburner.core.backends import (
    GPU_ANSWERS_MS,
    Known,
    Trial,
    candidates,
    chosen,
    fastest,
    is_clearly_slower,
    is_same_course,
    last_resort,
    reason_against,
    shape_key,
    wanted_backend,
)

WASM = Trial(backend="wasm", ms_per_step=20.0)
WEBGL = Trial(backend="webgl", ms_per_step=10.0)
NO_WEBGPU = Trial(backend="webgpu", problem="no adapter")


def test_the_fastest_of_those_that_are_right_wins() -> None:
    assert fastest([WASM, NO_WEBGPU, WEBGL]) == WEBGL
    assert fastest([NO_WEBGPU]) is None
    assert chosen(Known(trials=(WASM, NO_WEBGPU, WEBGL)), "worker") == "webgl"


def test_a_backend_that_was_dropped_is_not_chosen_again() -> None:
    known = Known(trials=(WASM, WEBGL)).without(["webgl"])
    assert chosen(known, "worker") == "wasm"
    assert known.without(["webgl", "webgpu"]).dropped == ("webgl", "webgpu")


def test_what_was_never_measured_has_to_be_measured_first() -> None:
    assert chosen(Known(), "worker") is None
    assert chosen(Known(trials=(WEBGL,), dropped=("webgl",)), "worker") is None


def test_no_graphics_card_is_tried_in_the_thread_of_the_page() -> None:
    assert candidates("worker", ()) == ("wasm", "webgpu", "webgl", "cpu")
    assert candidates("main-thread", ()) == ("wasm", "cpu")
    assert chosen(Known(trials=(WASM, WEBGL)), "main-thread") == "wasm"


def test_cpu_is_tried_only_where_nothing_else_works() -> None:
    assert reason_against("cpu", [WASM]) is not None
    assert reason_against("cpu", [NO_WEBGPU]) is None


def test_no_card_is_started_for_a_model_whose_steps_are_over_before_one_could_answer() -> None:
    quick = Trial(backend="wasm", ms_per_step=GPU_ANSWERS_MS / 2)
    assert reason_against("webgl", [quick]) is not None
    assert reason_against("webgl", [WASM]) is None
    assert reason_against("webgl", []) is None


def test_a_candidate_is_given_up_as_soon_as_it_is_clearly_slower() -> None:
    assert is_clearly_slower(41.0, [WASM])
    assert not is_clearly_slower(39.0, [WASM])
    assert not is_clearly_slower(1e6, [])


@pytest.mark.parametrize(
    ("losses", "same"), [([2.301, 2.24], True), ([2.3, 2.3], False), ([0.0, 0.0], False)]
)
def test_the_course_of_the_first_losses_tells_a_backend_that_does_not_train(
    losses: list[float], same: bool
) -> None:
    assert is_same_course(losses, [2.3, 2.24]) is same


def test_a_newer_trial_takes_the_place_of_an_older_one() -> None:
    slower = Trial(backend="webgl", ms_per_step=30.0)
    known = Known(trials=(WASM, WEBGL)).with_trials([slower])
    assert known.trials == (WASM, slower)
    assert known.trial("webgl") == slower
    assert Known(trials=(NO_WEBGPU,)).trial("webgpu") is None


def test_the_key_of_a_shape_changes_with_all_that_the_time_of_a_step_depends_on() -> None:
    base = {
        "layers": [{"type": "dense", "units": 10}],
        "input_shape": (8, 8, 1),
        "batch_size": 32,
        "optimizer": "adam",
        "version": "0.1.0",
        "kernels": "stock",
    }
    changes: list[dict[str, object]] = [
        {"layers": [{"type": "dense", "units": 11}]},
        {"input_shape": (8, 8, 3)},
        {"batch_size": 33},
        {"optimizer": "sgd"},
        {"version": "0.2.0"},
        {"kernels": "simd"},
    ]
    keys = {shape_key(**{**base, **change}) for change in ({}, *changes)}  # type: ignore[arg-type]
    assert len(keys) == 1 + len(changes)
    assert shape_key(**json.loads(json.dumps(base))) in keys


def test_where_nothing_works_the_first_that_is_left_shows_the_error() -> None:
    assert last_resort("worker") == "wasm"
    assert last_resort("worker", ["wasm"]) == "webgpu"
    assert last_resort("main-thread", ["wasm", "cpu"]) == "wasm"


@pytest.mark.parametrize(
    ("address", "has_seed", "preference", "wanted"),
    [
        (None, False, "automatic", None),
        (None, False, "webgl", "webgl"),
        (None, True, "webgl", "wasm"),
        ("cpu", True, "webgl", "cpu"),
        ("cpu", False, "automatic", "cpu"),
    ],
)
def test_the_address_comes_before_the_seed_and_the_seed_before_the_preference(
    address: str | None, has_seed: bool, preference: str, wanted: str | None
) -> None:
    found = wanted_backend(address=address, has_seed=has_seed, preference=preference)
    assert found == wanted
