"""The table of an operation's life, and the worker's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backburner.core.errors import LifecycleError
from backburner.core.lifecycle import (
    ACTIVE,
    ENDED,
    FINAL,
    OPERATION_MOVES,
    RESUMABLE,
    WORKER_MOVES,
    Event,
    Status,
    WorkerStatus,
    advance,
    advance_worker,
)


def test_a_training_that_nobody_disturbs_is_completed() -> None:
    status = Status.QUEUED
    for event in (Event.BEGIN, Event.MODEL_READY, Event.COMPLETE):
        status = advance(status, event)
    assert status is Status.COMPLETED


def test_asked_to_stop_and_stopped_are_different_states() -> None:
    asked = advance(Status.RUNNING, Event.ASK_STOP)
    assert asked is Status.STOPPING
    assert advance(asked, Event.STOPPED) is Status.STOPPED


def test_a_wish_that_comes_after_the_last_step_ends_as_completed() -> None:
    for event in (Event.ASK_STOP, Event.ASK_PAUSE):
        assert advance(advance(Status.RUNNING, event), Event.COMPLETE) is Status.COMPLETED


@pytest.mark.parametrize("status", sorted(FINAL))
@pytest.mark.parametrize("event", list(Event))
def test_what_is_final_stays_so(status: Status, event: Event) -> None:
    with pytest.raises(LifecycleError, match=status.value):
        advance(status, event)


def test_completed_failed_and_aborted_are_final_and_nothing_else() -> None:
    assert {Status.COMPLETED, Status.FAILED, Status.ABORTED} == FINAL


@pytest.mark.parametrize("status", sorted(RESUMABLE))
def test_what_is_stopped_or_interrupted_can_be_taken_up_or_given_up(status: Status) -> None:
    assert advance(status, Event.TAKE_UP) is Status.QUEUED
    assert advance(status, Event.ABORTED) is Status.ABORTED
    for event in set(Event) - {Event.TAKE_UP, Event.ABORTED}:
        with pytest.raises(LifecycleError, match=status.value):
            advance(status, event)


def test_an_abort_that_was_asked_for_ends_as_aborted_from_wherever_it_was() -> None:
    for status in (Status.INITIALIZING, Status.RUNNING, Status.PAUSING, Status.PAUSED):
        assert advance(advance(status, Event.ASK_STOP), Event.ABORTED) is Status.ABORTED
    assert advance(Status.QUEUED, Event.ABORTED) is Status.ABORTED


def test_a_run_whose_kitchen_died_is_built_again() -> None:
    for status in (Status.INITIALIZING, Status.RUNNING):
        assert advance(status, Event.RESTART) is Status.INITIALIZING


def test_an_impossible_move_names_both_states() -> None:
    with pytest.raises(LifecycleError, match=r"queued.*running"):
        advance(Status.QUEUED, Event.RESUMED)


def test_everything_that_has_not_ended_can_fail_and_be_interrupted() -> None:
    for status in set(Status) - ENDED:
        assert advance(status, Event.FAIL) is Status.FAILED
        assert advance(status, Event.INTERRUPT) is Status.INTERRUPTED


def test_an_event_leads_to_one_state_wherever_it_leads() -> None:
    # The refusal names that state as the one that was wanted.
    for event in Event:
        aims = {moves[event] for moves in OPERATION_MOVES.values() if event in moves}
        assert len(aims) == 1, event


def test_waiting_in_the_queue_is_neither_active_nor_over() -> None:
    assert Status.QUEUED not in ACTIVE | ENDED
    assert ACTIVE | ENDED | {Status.QUEUED} == set(Status)


@given(st.lists(st.sampled_from(list(Event)), max_size=30))
def test_no_sequence_of_events_leaves_the_table(events: list[Event]) -> None:
    status = Status.QUEUED
    for event in events:
        before = status
        try:
            status = advance(status, event)
        except LifecycleError:
            assert status is before
        else:
            assert status is OPERATION_MOVES[before][event]


def test_a_lost_worker_is_followed_by_a_new_one() -> None:
    assert WORKER_MOVES[WorkerStatus.LOST] == {WorkerStatus.STARTING}
    with pytest.raises(LifecycleError, match=r"lost.*busy"):
        advance_worker(WorkerStatus.LOST, WorkerStatus.BUSY)
    assert advance_worker(WorkerStatus.READY, WorkerStatus.READY) is WorkerStatus.READY
