"""What is said without being asked: the tab's title, sentences at milestones, how fresh it is."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from backburner.core.freshness import freshness
from backburner.core.headlines import announcement, listed, milestone, share_done, title_line
from backburner.core.lifecycle import Status
from backburner.core.operation import Operation
from backburner.core.state import State
from tests.core.makers import operation, progressed


def state(*operations: Operation) -> State:
    return State(operations=MappingProxyType({each.id: each for each in operations}))


def running(step: int, **changes: Any) -> Operation:
    return operation(status=Status.RUNNING, progress=progressed(step), **changes)


def test_the_title_says_how_far_the_training_is() -> None:
    line = title_line(state(running(17)), None)
    assert line is not None
    assert (line.key, line.values["percent"]) == ("status.title.working", 42)


@pytest.mark.parametrize(
    ("status", "key"),
    [
        (Status.INITIALIZING, "starting"),
        (Status.PAUSING, "working"),
        (Status.PAUSED, "paused"),
        (Status.STOPPING, "working"),
    ],
)
def test_the_title_tells_the_states_apart(status: Status, key: str) -> None:
    line = title_line(state(operation(status=status)), None)
    assert line is not None
    assert line.key == f"status.title.{key}"


def test_the_title_says_the_end_until_somebody_has_looked() -> None:
    done = operation(status=Status.COMPLETED)
    line = title_line(state(done), done)
    assert line is not None
    assert line.key == "status.title.completed"
    assert title_line(state(done), None) is None


def test_a_new_training_takes_the_title_over() -> None:
    done = operation("op-0", status=Status.FAILED)
    line = title_line(state(done, running(4)), done)
    assert line is not None
    assert line.key == "status.title.working"


def test_a_sentence_is_said_for_a_tenth_of_the_way_and_for_each_state() -> None:
    said = {milestone(running(step)) for step in range(1, 41)}
    assert len(said) == 11
    assert milestone(running(17)) == milestone(running(18))
    assert milestone(running(17)) != milestone(operation(status=Status.PAUSED))
    line = announcement(running(17))
    assert (line.key, line.values["percent"], line.values["epoch"]) == (
        "status.said.progress",
        42,
        4,
    )
    assert announcement(operation(status=Status.FAILED)).key == "status.said.failed"


def test_what_is_completed_is_done_whatever_was_reported_last() -> None:
    assert share_done(operation(status=Status.COMPLETED, progress=progressed(39))) == 1.0
    assert share_done(operation()) == 0.0


def test_the_status_bar_lists_what_runs_before_what_waits_and_counts_the_rest() -> None:
    waiting = [operation(f"op-{at}") for at in range(2, 7)]
    done = operation("op-0", status=Status.COMPLETED)
    active = operation("op-9", status=Status.PAUSED)
    shown, more = listed(state(done, *waiting, active), 3)
    assert [each.id for each in shown] == ["op-9", "op-2", "op-3"]
    assert more == 3
    assert listed(state(done), 3) == ([], 0)


@pytest.mark.parametrize(
    ("status", "points", "age_s", "key"),
    [
        (Status.QUEUED, 0, None, "waiting"),
        (Status.INITIALIZING, 0, None, "waiting"),
        (Status.RUNNING, 0, None, "waiting"),
        (Status.RUNNING, 9, 0.1, "live"),
        (Status.RUNNING, 9, 3.0, "live"),
        (Status.RUNNING, 9, 3.1, "stale"),
        (Status.RUNNING, 9, None, "live"),
        (Status.PAUSING, 9, 0.1, "live"),
        (Status.PAUSED, 9, 60.0, "paused"),
        (Status.STOPPING, 9, 5.0, "stale"),
        (Status.STOPPED, 9, 60.0, "final"),
        (Status.STOPPED, 9, None, "kept"),
        (Status.INTERRUPTED, 9, None, "kept"),
        (Status.INTERRUPTED, 0, None, "empty"),
        (Status.COMPLETED, 9, 60.0, "final"),
        (Status.COMPLETED, 9, None, "kept"),
        (Status.FAILED, 0, None, "empty"),
        (Status.FAILED, 9, 1.0, "final"),
        (Status.ABORTED, 9, 1.0, "final"),
        (Status.QUEUED, 9, None, "kept"),
        (Status.QUEUED, 9, 5.0, "waiting"),
    ],
)
def test_a_chart_says_how_fresh_it_is(
    status: Status, points: int, age_s: float | None, key: str
) -> None:
    assert freshness(operation(status=status), points, age_s).key == f"charts.fresh.{key}"


def test_a_stale_chart_says_how_old_it_is() -> None:
    assert freshness(running(4), 9, 4.4).values == {"age": 4.0}
