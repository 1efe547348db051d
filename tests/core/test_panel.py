"""The control panel: every status has its words, its actions and its warnings."""

from __future__ import annotations

from typing import Any

import pytest

from backburner.core.lifecycle import FINAL, RESUMABLE, Status
from backburner.core.messages import Fault, StoppedEarly
from backburner.core.panel import (
    ASKED_FIRST,
    Action,
    Panel,
    may_retry_worker,
    panel_of,
)
from backburner.core.state import Worker
from tests.core.makers import ENGLISH, operation, progressed

FAULT = Fault(name="DataError", message="A class is missing.")
FULL = Fault(name="StorageFull", message="There is no room.")
GONE = Fault(name="Expired", message="The browser has cleared it.")


def panel(status: Status, **changes: Any) -> Panel:
    return panel_of(operation(status=status, **changes))


def keys(shown: Panel) -> list[str]:
    return [note.key for note in shown.notes]


WRITES = {"kind": "generate", "base": "op-0"}
READS = {"network": {"layers": [{"type": "embedding"}]}}

# Status, what else is known: its sentence, its buttons in their order, the one that waits.
ROWS: list[tuple[Status, dict[str, Any], str, str, str | None]] = [
    (Status.QUEUED, {}, "queued", "stop abort", None),
    (Status.QUEUED, {"checkpoint": 8}, "queued-again", "stop abort", None),
    (Status.INITIALIZING, {}, "initializing", "stop abort", None),
    (Status.INITIALIZING, {"restarts": 1}, "restarting", "stop abort", None),
    (Status.RUNNING, {}, "running", "pause stop abort", None),
    (Status.PAUSING, {}, "pausing", "pause stop abort", "pause"),
    (Status.PAUSED, {}, "paused", "resume stop abort", None),
    (Status.STOPPING, {}, "stopping", "stop", "stop"),
    (Status.STOPPED, {"checkpoint": 8}, "stopped", "resume abort clear", None),
    (Status.STOPPED, {"elsewhere": True}, "elsewhere", "new-model", None),
    (Status.STOPPED, {"error": GONE}, "stopped", "run-again new-model clear", None),
    (Status.INTERRUPTED, {"checkpoint": 8}, "interrupted", "resume abort clear", None),
    (Status.INTERRUPTED, {"elsewhere": True}, "elsewhere", "new-model", None),
    (Status.INTERRUPTED, {"error": GONE}, "interrupted", "run-again new-model clear", None),
    (
        Status.COMPLETED,
        {"checkpoint": 8},
        "completed",
        "playground run-again new-model clear",
        None,
    ),
    (Status.COMPLETED, {}, "completed-without-checkpoint", "reset run-again new-model", None),
    (Status.FAILED, {"error": FAULT}, "failed", "reset run-again new-model", None),
    (Status.ABORTED, {"checkpoint": 8}, "aborted", "run-again new-model clear", None),
    (Status.QUEUED, {"after": "op-0"}, "queued-after", "stop abort", None),
    (Status.QUEUED, {"after": "op-0", "started": 1.0}, "queued", "stop abort", None),
    # A network of texts cannot be tried on drawings.
    (Status.COMPLETED, {"checkpoint": 8, **READS}, "completed", "run-again new-model clear", None),
    (Status.QUEUED, {"checkpoint": 8, **WRITES}, "queued", "stop abort", None),
    (Status.INITIALIZING, WRITES, "writing.initializing", "stop abort", None),
    (Status.INITIALIZING, {"restarts": 1, **WRITES}, "writing.restarting", "stop abort", None),
    (Status.RUNNING, WRITES, "running", "pause stop abort", None),
    (Status.PAUSED, WRITES, "writing.paused", "resume stop abort", None),
    (Status.STOPPED, {"checkpoint": 8, **WRITES}, "writing.stopped", "resume abort clear", None),
    (
        Status.COMPLETED,
        {"checkpoint": 8, **WRITES},
        "writing.completed",
        "run-again new-model clear",
        None,
    ),
    (
        Status.COMPLETED,
        WRITES,
        "writing.completed-without-checkpoint",
        "reset run-again new-model",
        None,
    ),
]


@pytest.mark.parametrize(("status", "known", "sentence", "actions", "waiting"), ROWS)
def test_a_status_has_its_sentence_and_its_buttons(
    status: Status, known: dict[str, Any], sentence: str, actions: str, waiting: str | None
) -> None:
    shown = panel(status, progress=progressed(8), **known)
    assert shown.status.key == f"status.{sentence}.line"
    assert " ".join(shown.actions) == actions
    assert shown.waiting == waiting
    assert shown.waiting is None or shown.waiting in shown.actions
    for line in (shown.status, *shown.notes):
        assert line.in_words(ENGLISH).endswith((".", "…"))


def test_every_status_stands_in_the_table() -> None:
    assert {row[0] for row in ROWS} == set(Status)


def test_what_is_final_cannot_go_on_and_what_is_not_can_be_ended() -> None:
    for status in Status:
        actions = panel(status, checkpoint=8).actions
        assert (Action.RESUME in actions) <= (status in RESUMABLE | {Status.PAUSED})
        assert not (status in FINAL and {Action.RESUME, Action.STOP, Action.ABORT} & set(actions))


def test_only_what_cannot_be_undone_is_asked_about() -> None:
    assert {Action.ABORT, Action.CLEAR} == ASKED_FIRST


@pytest.mark.parametrize("status", [Status.STOPPED, Status.INTERRUPTED])
@pytest.mark.parametrize(
    ("checkpoint", "note", "redone"),
    [
        (None, "from-the-start", 843),
        (840, "from-checkpoint-redone", 3),
        (843, "from-checkpoint", 0),
    ],
)
def test_a_run_that_can_go_on_says_from_where_and_what_was_lost(
    status: Status, checkpoint: int | None, note: str, redone: int
) -> None:
    shown = panel(status, progress=progressed(843), checkpoint=checkpoint)
    assert keys(shown) == [f"dashboard.note.{note}"]
    assert shown.notes[0].values["count"] == redone


@pytest.mark.parametrize(("redone", "note"), [(0, "resumed"), (3, "resumed-redone")])
def test_a_run_that_was_taken_up_says_so_while_it_runs_and_afterwards(
    redone: int, note: str
) -> None:
    for status in (Status.RUNNING, Status.PAUSED, Status.COMPLETED):
        shown = panel(status, resumed_at=840, redone=redone, checkpoint=840)
        assert keys(shown) == [f"dashboard.note.{note}"]
        assert (shown.notes[0].values["resumed_at"], shown.notes[0].values["count"]) == (
            840,
            redone,
        )


@pytest.mark.parametrize(
    ("name", "words"),
    [("StorageFull", "full"), ("StorageDenied", "denied"), ("Damaged", "other")],
)
def test_a_checkpoint_that_could_not_be_kept_is_said(name: str, words: str) -> None:
    shown = panel(Status.RUNNING, trouble=Fault(name=name, message="…"))
    assert keys(shown) == [f"dashboard.note.trouble-{words}"]


def test_what_the_browser_has_lost_is_said_with_its_error() -> None:
    shown = panel(Status.INTERRUPTED, error=GONE)
    assert (keys(shown), shown.fault) == (["dashboard.note.gone"], GONE)


def test_only_a_failure_shows_its_error() -> None:
    assert panel(Status.FAILED, error=FAULT).fault == FAULT
    assert panel(Status.INTERRUPTED, error=FULL).fault is None


def test_a_worker_is_tried_again_only_where_one_has_failed() -> None:
    off = Worker(mode="main-thread", reason="off")
    lost = Worker(mode="main-thread", reason="It gave no answer.")
    assert [may_retry_worker(each) for each in (Worker(), off, lost)] == [False, False, True]


def test_what_was_redone_is_said_in_the_singular_too() -> None:
    words = [
        panel(Status.RUNNING, resumed_at=840, redone=redone).notes[0].in_words(ENGLISH)
        for redone in (1, 3)
    ]
    assert words == ["Resumed at step 840, 1 step redone.", "Resumed at step 840, 3 steps redone."]


def test_how_long_it_took_is_said_as_people_say_it() -> None:
    shown = panel(Status.COMPLETED, checkpoint=40, progress=progressed(40, elapsed_s=200.0))
    assert shown.status.in_words(ENGLISH).startswith("Done after 3 min 20 s of training.")


def test_a_run_says_what_it_takes_before_it_is_over_and_then_how_well_that_was_foreseen() -> None:
    foreseen: dict[str, Any] = {"promised_s": 40.0, "promised_bytes": 12_300_000}
    running = panel(Status.RUNNING, **foreseen, available_bytes=2**31)
    assert [note.in_words(ENGLISH) for note in running.notes] == [
        "This takes about 40 s of training here, and about 12 MB of memory."
    ]
    for took, words in (
        (41.0, "Promised 40 s of training, took 41 s."),
        (44.0, "Promised 40 s of training, took 44 s: 10 % longer."),
        (30.0, "Promised 40 s of training, took 30 s: 25 % shorter."),
        (0.9, "Promised 40 s of training, took 900 ms."),
    ):
        done = panel(Status.COMPLETED, progress=progressed(40, elapsed_s=took), **foreseen)
        assert [note.in_words(ENGLISH) for note in done.notes] == [words]


def test_a_run_that_needs_more_memory_than_there_is_warns_before_it_fails() -> None:
    shown = panel(Status.INITIALIZING, promised_bytes=3_000_000_000, available_bytes=2**31)
    assert keys(shown) == ["dashboard.note.too-large"]
    assert shown.notes[0].values == {"needed": 3_000, "had": 2_147}
    assert keys(panel(Status.INITIALIZING, promised_bytes=3_000)) == []


def test_the_backend_that_is_at_work_is_named() -> None:
    shown = panel(Status.INITIALIZING, trying="webgl", restarts=1)
    assert shown.status.in_words(ENGLISH).startswith("Preparing this network on webgl")


def test_a_backend_that_was_dropped_is_said_and_what_it_means_for_the_result() -> None:
    shown = panel(Status.RUNNING, dropped=("webgl",), backend="wasm", inexact=True)
    assert keys(shown) == ["dashboard.note.dropped", "dashboard.note.inexact"]
    assert shown.notes[0].values == {"dropped": "webgl", "backend": "wasm"}
    restarting = panel(Status.INITIALIZING, dropped=("webgl",), backend="webgl")
    assert keys(restarting) == ["dashboard.note.dropped-now"]


def test_a_backend_that_was_asked_for_in_vain_is_said() -> None:
    assert keys(panel(Status.RUNNING, wanted="webgpu", backend="wasm")) == [
        "dashboard.note.not-as-wanted"
    ]
    assert keys(panel(Status.RUNNING, wanted="wasm", backend="wasm")) == []


def test_only_what_is_all_here_can_be_run_again() -> None:
    counted = {"recipe": 1, "data": {"source": "inline", "examples": 40}}
    assert Action.RUN_AGAIN in panel(Status.COMPLETED, checkpoint=40).actions
    assert Action.RUN_AGAIN not in panel(Status.COMPLETED, checkpoint=40, recipe=counted).actions
    assert Action.RUN_AGAIN not in panel(Status.STOPPED, checkpoint=40).actions


@pytest.mark.parametrize("monitor", ["validation_loss", "validation_accuracy"])
def test_a_run_that_stopped_early_says_after_which_epoch_and_is_held_to_no_promise(
    monitor: str,
) -> None:
    early = StoppedEarly(epoch=6, best_epoch=3, monitor=monitor, best=0.5)
    shown = panel(
        Status.COMPLETED,
        checkpoint=24,
        stopped_early=early,
        progress=progressed(24),
        promised_s=60.0,
    )
    assert keys(shown) == [f"dashboard.note.early-{monitor.removeprefix('validation_')}"]
    words = shown.notes[0].in_words(ENGLISH)
    assert "after 6 of 10 epochs" in words
    assert "since epoch 3" in words


def test_a_run_that_may_stop_early_is_promised_its_longest_time() -> None:
    recipe = {"recipe": 1, "training": {"early_stopping": {"patience": 3}}}
    shown = panel(Status.RUNNING, recipe=recipe, promised_s=60.0)
    assert keys(shown) == ["dashboard.note.promise-at-most"]
    assert "at most" in shown.notes[0].in_words(ENGLISH)
