"""What is decided about the runs that an earlier page left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from backburner.core.lifecycle import Status
from backburner.core.messages import Fault
from backburner.core.records import operation_of, run_of
from backburner.core.recovery import interrupted_by_itself, recovered
from tests.core.makers import operation, progressed

KEPT = replace(
    run_of(operation(status=Status.RUNNING, progress=progressed(8, points=(), epoch_ends=()))),
    checkpoint=8,
)


@pytest.mark.parametrize("status", list(Status))
def test_only_what_nobody_stopped_goes_on_by_itself(status: Status) -> None:
    found = interrupted_by_itself([replace(KEPT, status=status.value)])
    goes_on = status in (Status.QUEUED, Status.INITIALIZING, Status.RUNNING)
    assert found == ({"op-1"} if goes_on else set())


def test_a_run_of_the_database_is_known_without_any_mirror() -> None:
    (found,) = recovered([KEPT], [])
    assert (found.status, found.step, found.checkpoint) == (Status.INTERRUPTED, 8, 8)


def test_steps_that_only_the_mirror_saw_are_remembered_to_be_counted_as_redone() -> None:
    seen = operation_of(replace(KEPT, progress=progressed(11, points=(), epoch_ends=())))
    (found,) = recovered([KEPT], [seen])
    assert (found.step, found.checkpoint) == (11, 8)


def test_a_mirror_that_lags_behind_takes_nothing_away() -> None:
    seen = operation_of(replace(KEPT, progress=None, checkpoint=None))
    (found,) = recovered([KEPT], [seen])
    assert (found.step, found.checkpoint) == (8, 8)


def test_an_end_that_the_worker_was_not_told_of_stays_an_end() -> None:
    fault = Fault(name="WorkerLost", message="Three times in a row.")
    seen = replace(operation_of(KEPT), status=Status.FAILED, error=fault)
    (found,) = recovered([KEPT], [seen])
    assert (found.status, found.error, found.checkpoint) == (Status.FAILED, fault, 8)


def test_a_stop_that_the_worker_had_not_noted_stays_a_stop() -> None:
    seen = replace(operation_of(KEPT), status=Status.STOPPED)
    (found,) = recovered([replace(KEPT, status="initializing")], [seen])
    assert (found.status, found.checkpoint) == (Status.STOPPED, 8)


def test_the_database_knows_of_a_completion_that_the_mirror_missed() -> None:
    (found,) = recovered([replace(KEPT, status="completed")], [operation_of(KEPT)])
    assert found.status is Status.COMPLETED


def test_a_run_that_the_database_has_lost_says_so_and_keeps_its_figures() -> None:
    (found,) = recovered([], [operation_of(KEPT)])
    assert found.error is not None
    assert found.error.name == "Expired"
    assert (found.status, found.step, found.checkpoint) == (Status.INTERRUPTED, 8, None)


def test_a_run_that_never_began_has_lost_nothing() -> None:
    waiting = operation_of(run_of(operation(status=Status.QUEUED)))
    assert recovered([], [waiting]) == [waiting]


INLINE = {"recipe": 1, "data": {"source": "inline", "inputs": [[[0]], [[1]]], "labels": [0, 1]}}
PASTED = {"recipe": 1, "data": {"source": "text", "text": "abc" * 30}}
IMAGES = {"recipe": 1, "data": {"source": "images", "images": ["…"], "labels": ["a"]}}


@pytest.mark.parametrize("recipe", [INLINE, PASTED, IMAGES], ids=["inline", "text", "images"])
def test_one_that_never_began_and_whose_examples_are_not_here_says_so(
    recipe: dict[str, Any],
) -> None:
    mirrored = operation_of(run_of(operation(status=Status.QUEUED, recipe=recipe)))
    (found,) = recovered([], [mirrored])
    assert found.status is Status.INTERRUPTED
    assert found.error is not None
    assert found.error.name == "Expired"
    assert "start the recipe itself again" in found.error.message
    (taken_up,) = recovered([], [replace(mirrored, status=Status.QUEUED)])
    assert (taken_up.status, taken_up.error) == (Status.FAILED, found.error)


def test_one_that_has_ended_keeps_its_own_words() -> None:
    fault = Fault(name="DataError", message="A class has too few examples.")
    ended = operation_of(run_of(operation(status=Status.FAILED, recipe=INLINE, error=fault)))
    assert recovered([], [ended]) == [ended]
