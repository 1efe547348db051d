"""The reducer: what the page knows after each thing that can happen."""

from __future__ import annotations

import json

import pytest

from backburner.core.errors import LifecycleError
from backburner.core.lifecycle import Event, Status, WorkerStatus
from backburner.core.messages import Fault, Guess, Score, StoppedEarly, TrainingCompleted
from backburner.core.state import (
    Change,
    Failed,
    Forgotten,
    Moved,
    Recovered,
    Reported,
    Requested,
    State,
    WorkerMoved,
    reduce,
)
from tests.core.makers import model_ready, operation, progressed, worker_ready

WORKER = (
    WorkerMoved(status=WorkerStatus.STARTING, generation=1),
    WorkerMoved(status=WorkerStatus.READY, generation=1, facts=worker_ready()),
)
BEGUN = (
    Requested(operation=operation()),
    Moved(id="op-1", event=Event.BEGIN, at=1_001.0),
    Reported(id="op-1", report=model_ready(), at=1_002.0),
)


def after(*changes: Change) -> State:
    state = State()
    for change in changes:
        state = reduce(state, change)
    return state


def test_a_training_goes_from_asked_for_to_completed() -> None:
    score = Score(loss=0.5, accuracy=0.9)
    guess = Guess(index=0, label="no", predicted="no", confidence=0.75)
    state = after(
        *WORKER,
        *BEGUN,
        Reported(id="op-1", report=progressed(3, 4), at=1_003.0),
        Reported(
            id="op-1",
            report=TrainingCompleted(test=score, guesses=(guess,), elapsed_s=1.0),
            at=1_004.0,
        ),
    )
    done = state.operations["op-1"]
    assert done.status is Status.COMPLETED
    assert (done.started, done.finished) == (1_001.0, 1_004.0)
    assert (done.backend, done.kernels, done.test, done.guesses) == (
        "wasm",
        "stock",
        score,
        (guess,),
    )
    assert done.lives
    assert state.active() is None


def test_a_training_that_stopped_early_is_completed_and_its_snapshot_says_why() -> None:
    early = StoppedEarly(epoch=6, best_epoch=3, monitor="validation_loss", best=0.25)
    done = TrainingCompleted(test=None, guesses=(), elapsed_s=1.0, stopped_early=early)
    state = after(*WORKER, *BEGUN, Reported(id="op-1", report=done, at=1_004.0))
    snapshot = state.operations["op-1"].snapshot()
    assert snapshot["status"] == "completed"
    assert snapshot["stopped_early"] == {
        "epoch": 6,
        "best_epoch": 3,
        "monitor": "validation_loss",
        "best": 0.25,
    }


def test_the_snapshot_has_the_keys_of_the_contract_and_is_json() -> None:
    state = after(*WORKER, *BEGUN, Reported(id="op-1", report=progressed(4), at=1_003.0))
    snapshot = state.operations["op-1"].snapshot()
    promised = {
        *("id", "kind", "status", "epoch", "epochs", "step", "steps", "loss", "accuracy"),
        *("validation", "test", "samples_per_s", "eta_s", "mode", "backend", "started", "timing"),
    }
    assert promised <= set(snapshot)
    assert snapshot["validation"] == {"loss": 0.5, "accuracy": 0.25}
    assert json.loads(json.dumps(snapshot)) == snapshot


def test_the_state_keeps_epoch_ends_but_no_points() -> None:
    state = after(
        *BEGUN,
        Reported(id="op-1", report=progressed(1, 2, 3, 4), at=1.0),
        Reported(id="op-1", report=progressed(5, 6, 7, 8), at=2.0),
    )
    found = state.operations["op-1"]
    assert [end.epoch for end in found.epoch_ends] == [1, 2]
    assert found.progress is not None
    assert found.progress.points == ()


def test_an_impossible_move_changes_nothing() -> None:
    state = after(*BEGUN)
    with pytest.raises(LifecycleError):
        reduce(state, Moved(id="op-1", event=Event.RESUMED, at=1.0))
    assert state == after(*BEGUN)


def test_a_model_that_is_ready_while_a_stop_is_wanted_does_not_start_to_run() -> None:
    state = after(
        *BEGUN[:2],
        Moved(id="op-1", event=Event.ASK_STOP, at=1.0),
        Reported(id="op-1", report=model_ready(), at=2.0),
    )
    assert state.operations["op-1"].status is Status.STOPPING
    assert state.operations["op-1"].lives


def test_a_lost_worker_takes_its_models_with_it() -> None:
    state = after(
        *WORKER,
        *BEGUN,
        WorkerMoved(status=WorkerStatus.LOST, generation=1, problem="gone"),
        WorkerMoved(status=WorkerStatus.STARTING, generation=2),
    )
    assert not state.operations["op-1"].lives
    assert state.worker.generation == 2
    assert state.worker.facts is None


def test_an_error_stays_with_its_operation() -> None:
    fault = Fault(name="DataError", message="Too few.", key="data")
    state = after(*BEGUN, Failed(id="op-1", event=Event.FAIL, error=fault, at=9.0))
    snapshot = state.operations["op-1"].snapshot()
    assert snapshot["error"] == {"name": "DataError", "message": "Too few.", "key": "data"}
    assert snapshot["status"] == "failed"


def test_recovered_operations_come_before_those_of_this_visit() -> None:
    old = operation("op-0", status=Status.COMPLETED)
    state = after(Requested(operation=operation()), Recovered(operations=(old,)))
    assert list(state.operations) == ["op-0", "op-1"]
    queued = state.queued()
    assert queued is not None
    assert queued.id == "op-1"


def test_a_freed_model_is_forgotten() -> None:
    state = after(*WORKER, *BEGUN, Forgotten(id="op-1"))
    assert not state.operations["op-1"].lives
