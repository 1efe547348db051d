"""The small records: what comes back, and what is refused without being overwritten."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backburner.core.lifecycle import Status
from backburner.core.messages import Fault, Score
from backburner.core.records import (
    KEPT,
    SCHEMA,
    NewerRecord,
    UnreadableRecord,
    operation_of,
    records_from_text,
    records_to_text,
)
from tests.core.makers import operation, progressed

DONE = operation(
    status=Status.COMPLETED,
    started=1_001.0,
    finished=1_010.0,
    backend="wasm",
    kernels="stock",
    progress=progressed(4, points=(), epoch_ends=()),
    epoch_ends=progressed(4).epoch_ends,
    test=Score(loss=0.5, accuracy=0.9),
)


def test_a_finished_operation_comes_back_as_it_was() -> None:
    (found,), sequence = records_from_text(records_to_text([DONE]))
    assert (operation_of(found), sequence) == (DONE, 1)


def test_records_of_the_first_schema_are_still_read() -> None:
    text = (Path(__file__).parents[1] / "data" / "records-1.json").read_text()
    done, running, failed = (operation_of(run) for run in records_from_text(text)[0])
    assert done == DONE
    assert (running.status, running.step) == (Status.INTERRUPTED, 3)
    assert failed.error == Fault(name="DataError", message="Too few.")
    again = json.loads(records_to_text([], text))
    assert (again["schema"], len(again["runs"])) == (SCHEMA, 3)


def test_a_cleared_run_is_gone_even_if_another_tab_has_written_it() -> None:
    stored = records_to_text([DONE, operation("op-2")])
    found, _ = records_from_text(records_to_text([], stored, cleared={"op-1"}))
    assert [run.id for run in found] == ["op-2"]


def test_checkpoint_and_redone_steps_are_remembered() -> None:
    kept = replace(DONE, checkpoint=4, redone=3, mode="worker", parameters=6, data_sha256="ab")
    (found,), _ = records_from_text(records_to_text([kept]))
    assert operation_of(found) == kept


def test_what_another_tab_wrote_meanwhile_stays() -> None:
    theirs = operation("op-2", status=Status.RUNNING, created=999.0)
    stored = records_to_text([theirs])
    merged = records_to_text([DONE], stored)
    assert '"running"' in merged, "another tab's run is not ours to call interrupted"
    found, sequence = records_from_text(merged)
    assert [each.id for each in found] == ["op-2", "op-1"]
    assert sequence == 2
    again, _ = records_from_text(records_to_text([DONE], merged))
    assert len(again) == 2


def test_examples_in_a_recipe_are_counted_and_not_kept() -> None:
    data = {"source": "inline", "inputs": [[[0.5]]] * 3, "labels": [0, 1, 0]}
    (found,), _ = records_from_text(
        records_to_text([operation(status=Status.FAILED, recipe={"recipe": 1, "data": data})])
    )
    assert found.recipe["data"] == {"source": "inline", "examples": 3}


def test_what_was_under_way_comes_back_as_interrupted() -> None:
    for status in (Status.QUEUED, Status.RUNNING, Status.PAUSED, Status.STOPPING):
        (found,), _ = records_from_text(records_to_text([operation(status=status)]))
        assert found.status == status.value, "whether it goes on by itself hangs on it"
        assert operation_of(found).status is Status.INTERRUPTED


def test_the_oldest_are_forgotten_first() -> None:
    many = [operation(f"op-{n}", status=Status.FAILED) for n in range(KEPT + 3)]
    found, _ = records_from_text(records_to_text(many))
    assert [each.id for each in found] == [each.id for each in many[3:]]


def test_a_newer_schema_is_named_and_not_read() -> None:
    with pytest.raises(NewerRecord, match="newer version"):
        records_from_text(json.dumps({"schema": SCHEMA + 1, "anything": "else"}))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"schema": 1}', '{"schema": "1"}', f'{{"schema": {10**400}}}']
)
def test_a_torn_record_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableRecord):
        records_from_text(text)


@given(data=st.data())
def test_a_record_with_one_character_changed_is_read_or_refused(data: st.DataObject) -> None:
    text = records_to_text([DONE])
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.characters(codec="ascii")) + text[at + 1 :]
    try:
        found, _ = records_from_text(changed)
    except (UnreadableRecord, NewerRecord):
        return
    assert len(found) == 1
