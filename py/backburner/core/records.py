"""The small records that outlive a page: how they stand in storage, and how they are read.

`{"schema": 1, "sequence": n, "operations": […]}`, newest last. A record is a mirror: it says
what was run and how far it came, never weights or curves step by step. Pure text in and out;
app/records.py does the storing.

A record of a newer schema raises NewerRecord, and whoever reads must then not write. What
was under way when the page went away comes back as interrupted.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TypeVar

from backburner.core.curves import epoch_as_dict
from backburner.core.errors import BadField, StorageError
from backburner.core.lifecycle import ENDED, Event, Status, advance
from backburner.core.messages import EpochEnd, Fault, Score, TrainingProgressed
from backburner.core.state import Operation, brief_recipe
from backburner.core.wire import read

T = TypeVar("T")

SCHEMA = 1
KEPT = 20
"""How many operations are remembered; the oldest go first."""


class NewerRecord(StorageError):  # noqa: N818 - a kind of StorageError, named after the fact
    """The stored record was written by a newer version of Backburner."""


class UnreadableRecord(StorageError):  # noqa: N818
    """The stored record is torn or is not one of ours."""


def records_to_text(own: list[Operation], stored: str | None = None) -> str:
    """The text to store: this page's `own` operations merged into what is `stored` by now.

    Another tab may have written since: what it ran stays as it wrote it. The last `KEPT` are
    kept, without what only a live page can use. Raises like `records_from_text`.
    """
    records: dict[str, dict[str, object]] = {}
    sequence = 0
    if stored is not None:
        _, sequence = records_from_text(stored)
        records = {str(each["id"]): each for each in json.loads(stored)["operations"]}
    records |= {each.id: _operation_to_json(each) for each in own}
    in_order = sorted(records.values(), key=_created)
    wire = {"schema": SCHEMA, "sequence": sequence + 1, "operations": in_order[-KEPT:]}
    return json.dumps(wire)


def _created(record: dict[str, object]) -> float:
    return read(float, record["created"], "created")


def records_from_text(text: str) -> tuple[list[Operation], int]:
    """The operations and the sequence number of a stored text.

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
        found = [_operation_from_json(each) for each in wire["operations"]]
        return found, read(int, wire["sequence"], "sequence")
    except (ValueError, TypeError, KeyError, BadField) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> UnreadableRecord:
    return UnreadableRecord(
        "The list of earlier runs cannot be read: it was cut off or changed. It was put aside, "
        "and a new list was begun.",
        detail=str(error),
    )


def _operation_to_json(operation: Operation) -> dict[str, object]:
    at = operation.progress
    last = operation.epoch_ends[-1] if operation.epoch_ends else None
    return {
        "id": operation.id,
        "kind": operation.kind,
        "name": operation.name,
        "recipe": brief_recipe(operation.recipe),
        "status": operation.status.value,
        "created": operation.created,
        "started": operation.started,
        "finished": operation.finished,
        "epochs": operation.epochs,
        "backend": operation.backend,
        "kernels": operation.kernels,
        "progress": at
        and {
            "epoch": at.epoch,
            "epochs": at.epochs,
            "step": at.step,
            "steps": at.steps,
            "loss": at.loss,
            "accuracy": at.accuracy,
            "samples_per_s": at.samples_per_s,
            "ms_per_step": at.ms_per_step,
            "elapsed_s": at.elapsed_s,
            "eta_s": at.eta_s,
            "points": [],
        },
        "last_epoch": last and epoch_as_dict(last),
        "test": operation.test and operation.test.as_dict(),
        "error": operation.error
        and {"name": operation.error.name, "message": operation.error.message},
    }


def _operation_from_json(wire: dict[str, object]) -> Operation:
    last = read(EpochEnd | None, wire["last_epoch"], "last_epoch")  # type: ignore[arg-type]
    operation = Operation(
        id=read(str, wire["id"], "id"),
        kind=read(str, wire["kind"], "kind"),
        name=read(str, wire["name"], "name"),
        recipe=read(dict, wire["recipe"], "recipe"),
        status=Status(read(str, wire["status"], "status")),
        created=read(float, wire["created"], "created"),
        started=_optional(float, wire["started"], "started"),
        finished=_optional(float, wire["finished"], "finished"),
        epochs=read(int, wire["epochs"], "epochs"),
        backend=_optional(str, wire["backend"], "backend"),
        kernels=_optional(str, wire["kernels"], "kernels"),
        progress=_optional(TrainingProgressed, wire["progress"], "progress"),
        epoch_ends=(last,) if last else (),
        test=_optional(Score, wire["test"], "test"),
        error=_optional(Fault, wire["error"], "error"),
    )
    if operation.status in ENDED:
        return operation
    return replace(operation, status=advance(operation.status, Event.INTERRUPT))


def _optional(kind: type[T], value: object, where: str) -> T | None:
    return None if value is None else read(kind, value, where)
