"""The small records that outlive a page: how they stand in localStorage, and how they are read.

`{"schema": 2, "sequence": n, "runs": […]}`, oldest first; a run is core/messages.py's StoredRun,
the same that the worker keeps in its database. A record is a mirror: it says what was run and
how far it came, never weights or curves step by step, and it can be rebuilt from the database.
Pure text in and out; app/records.py does the storing.

A record of a newer schema raises NewerRecord, and whoever reads must then not write. One of an
older schema is read as it is and written anew.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import fields, replace
from typing import Any

from backburner.core.errors import BadField, StorageError
from backburner.core.lifecycle import ENDED, Event, Status, advance
from backburner.core.messages import StoredRun
from backburner.core.operation import Operation, brief_recipe
from backburner.core.wire import read, to_json

SCHEMA = 2
KEPT = 20
"""How many operations that have ended are remembered; the oldest go first."""


class NewerRecord(StorageError):  # noqa: N818 - a kind of StorageError, named after the fact
    """The stored record was written by a newer version of Backburner."""


class UnreadableRecord(StorageError):  # noqa: N818
    """The stored record is torn or is not one of ours."""


def records_to_text(
    own: Iterable[Operation], stored: str | None = None, *, cleared: Collection[str] = ()
) -> str:
    """The text to store: this page's `own` operations merged into what is `stored` by now.

    Another tab may have written since: what it ran stays as it wrote it. The last `KEPT` that have
    ended are kept, and all that wait or work, without the `cleared` ones and without what only a
    live page can use. Raises like `records_from_text`.
    """
    sequence = 0
    runs: dict[str, StoredRun] = {}
    if stored is not None:
        found, sequence = records_from_text(stored)
        runs = {run.id: run for run in found}
    runs |= {each.id: run_of(each) for each in own}
    in_order = sorted(runs.values(), key=lambda run: run.created)
    left = [run for run in in_order if run.id not in cleared]
    ended = [run.id for run in left if run.status in ENDED]
    forgotten = set(ended[:-KEPT])
    kept = [to_json(run) for run in left if run.id not in forgotten]
    return json.dumps({"schema": SCHEMA, "sequence": sequence + 1, "runs": kept})


def records_from_text(text: str) -> tuple[list[StoredRun], int]:
    """The runs and the sequence number of a stored text.

    Raises NewerRecord, or UnreadableRecord for anything that does not fit.
    """
    try:
        wire = json.loads(text)
        schema = read(int, wire["schema"], "schema")
    except (ValueError, TypeError, KeyError, RecursionError, BadField) as error:
        raise _unreadable(error) from error
    if schema > SCHEMA:
        raise NewerRecord(
            "The list of earlier runs was written by a newer version of Backburner. It is left "
            "as it is, and this visit's runs are not remembered. Reload the page to get the "
            "newer version.",
            detail=f"schema {schema}, known {SCHEMA}",
        )
    try:
        # Schema 1 called them operations; what came with checkpoints has defaults.
        found = wire["runs" if schema == SCHEMA else "operations"]
        runs = [read(StoredRun, each, f"runs[{at}]") for at, each in enumerate(found)]
        for run in runs:
            Status(run.status)
        return runs, read(int, wire["sequence"], "sequence")
    except (ValueError, TypeError, KeyError, BadField) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> UnreadableRecord:
    return UnreadableRecord(
        "The list of earlier runs cannot be read: it was cut off or changed. It was put aside, "
        "and a new list was begun.",
        detail=str(error),
    )


_SHARED = tuple(
    each.name
    for each in fields(StoredRun)
    if each.name not in ("recipe", "status", "last_epoch", "text", "datasets")
)
"""What a record and an operation both have, under the same name."""


def run_of(operation: Operation) -> StoredRun:
    """What is kept of an operation, its recipe shortened, and no text: that can be long."""
    shared: dict[str, Any] = {name: getattr(operation, name) for name in _SHARED}
    return StoredRun(
        **shared,
        recipe=brief_recipe(operation.recipe),
        status=operation.status.value,
        last_epoch=operation.epoch_ends[-1] if operation.epoch_ends else None,
    )


def operation_of(run: StoredRun) -> Operation:
    """The operation of a kept run; one that was under way comes back as interrupted."""
    shared: dict[str, Any] = {name: getattr(run, name) for name in _SHARED}
    operation = Operation(
        **shared,
        recipe=run.recipe,
        status=Status(run.status),
        text=run.text,
        epoch_ends=(run.last_epoch,) if run.last_epoch else (),
    )
    if operation.status in ENDED:
        return operation
    return replace(operation, status=advance(operation.status, Event.INTERRUPT))
