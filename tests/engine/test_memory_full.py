"""The backend's memory is full at any tensor: nothing stays behind. In plain CPython."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from backburner.core.data_sources import DigitsData
from backburner.core.errors import BackendError
from backburner.core.recipe import Recipe
from backburner.engine.data import Dataset
from backburner.engine.layers import initial_parameters
from backburner.engine.optimizers import initial_state
from backburner.engine.tape import Tape
from backburner.engine.training import Training
from tests.loops import on_a_loop

RECIPE = Recipe.from_wire({"recipe": 1, "model": {"preset": "tiny"}, "training": {"batch_size": 2}})
LABELS = [label for label in range(10) for _ in range(3)]
DATASET = Dataset.of(
    inputs=bytes(64 * len(LABELS)),
    dtype="uint8",
    scale=1 / 16,
    shape=DigitsData.input_shape,
    labels=LABELS,
    classes=DigitsData.classes,
)


class FakeTensors:
    """Counts tensors, and knows whose they are; there is room for `room` makings in all."""

    backend = "wasm"

    def __init__(self, room: int = 10_000) -> None:
        self.room = room
        self.living: set[object] = set()
        self._scopes: list[set[object]] = []

    def unbound(self) -> FakeTensors:
        return self

    def wrap_kernel(self, name: str, backend: str, function: object) -> None:
        pass

    @contextmanager
    def scope(self) -> Iterator[None]:
        self._scopes.append(set())
        try:
            yield
        finally:
            self.living -= self._scopes.pop()

    def keep(self, tensor: object) -> object:
        self._scopes[-1].discard(tensor)
        return tensor

    def dispose(self, *tensors: object) -> None:
        for tensor in tensors:
            self.living.remove(tensor)

    def has_kernel(self, _kernel: str, _backend: str) -> bool:
        return True

    def shape(self, _tensor: object) -> tuple[int, ...]:
        return (1,)

    async def read(self, _tensor: object) -> bytes:
        return bytes(4)

    def _make(self, *_: Any) -> object:
        if self.room == 0:
            raise BackendError("The memory is full.")
        self.room -= 1
        tensor = object()
        self.living.add(tensor)
        self._scopes[-1].add(tensor)
        return tensor

    from_bytes = floats = multiply = as_float = clone = _make


def tape_of(training: Training) -> Tape:
    assert isinstance(training.executor, Tape)
    return training.executor


def until_there_is_room(attempt: Callable[[Any, FakeTensors], object]) -> int:
    """Tries with more and more room; gives the failures, each of which left nothing behind."""
    for failures in range(100):
        tensors = FakeTensors()
        training = Training.from_recipe(RECIPE, DATASET, tensors)  # type: ignore[arg-type]
        before = set(tensors.living)
        tensors.room = failures
        try:
            attempt(training, tensors)
        except BackendError:
            assert tensors.living == before
        else:
            return failures
    raise AssertionError("There never was room.")


def test_the_first_parameters_are_all_there_or_none() -> None:
    def attempt(training: Training, tensors: Any) -> None:
        initial_parameters(tensors, training.spec, 7)

    assert until_there_is_room(attempt) == 2 * 3 + 2  # kernels are bits, floats, scaled


def test_the_optimizers_state_is_all_there_or_none() -> None:
    def attempt(training: Training, tensors: Any) -> None:
        initial_state(tensors, training.workload.optimizer, tape_of(training).parameters)

    assert until_there_is_room(attempt) == 4 * 2


def test_the_copies_that_are_hashed_are_all_there_or_none() -> None:
    def attempt(training: Training, tensors: FakeTensors) -> None:
        before = set(tensors.living)
        on_a_loop(training.weights)()  # type: ignore[arg-type]
        assert tensors.living == before

    assert until_there_is_room(attempt) == 4 + 8  # with what the optimizer remembers


def test_a_training_is_made_whole_or_not_at_all() -> None:
    for room in range(100):
        tensors = FakeTensors(room)
        try:
            training = Training.from_recipe(RECIPE, DATASET, tensors)  # type: ignore[arg-type]
        except BackendError:
            assert not tensors.living
            continue
        assert len(tensors.living) == 2 + 3 * len(tape_of(training).parameters)
        training.dispose()
        training.dispose()
        assert not tensors.living
        assert room == 3 + 8 + 8
        return
    pytest.fail("There never was room.")
