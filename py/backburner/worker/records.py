"""How what is kept of a run stands in the rows of worker/storage.py, and how it is read.

Each row is JSON with a schema, and bytes beside it. Reading raises Damaged for a row that is
not what was written, and NewerStorage for one of a newer schema, which is then left as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backburner.core.backends import Known
from backburner.core.curves import Curves
from backburner.core.errors import BadField, Damaged, NewerStorage
from backburner.core.lifecycle import Status
from backburner.core.messages import (
    Drawing,
    DrawnClass,
    EpochEnd,
    StoredRun,
    TrainingProgressed,
)
from backburner.core.wire import read, to_json
from backburner.engine.data import Dataset
from backburner.worker.storage import Row

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRun:
    """A run's record. `fence` counts how often the run was claimed: only the last may write."""

    run: StoredRun
    fence: int

    def to_row(self) -> Row:
        return _row({"fence": self.fence, "run": to_json(self.run)})

    @classmethod
    def from_row(cls, row: Row) -> KeptRun:
        wire = _parsed(row)
        run: StoredRun = _field(wire, "run", StoredRun)
        if run.status not in set(Status):
            raise damaged(f"the status {run.status!r}")
        return cls(run=run, fence=_field(wire, "fence", int))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptOrigin:
    """The network that a run began with, without its weights: those are in its own checkpoints.

    `network` is core/fine_tuning.py's Base as JSON, `sha256` the hash of its weights. `tests` is
    the one of the dataset on which it is measured what a fine-tuning forgets, and `drawn` of the
    drawings that the run learns from, if it does.
    """

    network: dict[str, object]
    sha256: str
    tests: str | None = None
    drawn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRecipe:
    """A run's complete recipe; written once, for its examples can be megabytes.

    `origin` is what has to be known of the network that it began with; None for a new one.
    """

    recipe: dict[str, object]
    origin: KeptOrigin | None = None

    def to_row(self) -> Row:
        if self.origin is None:
            return _row({"recipe": self.recipe})
        return _row({"recipe": self.recipe, "origin": to_json(self.origin)})

    @classmethod
    def from_row(cls, row: Row) -> KeptRecipe:
        wire = _parsed(row)
        return cls(
            recipe=_field(wire, "recipe", dict), origin=_field(wire, "origin", KeptOrigin | None)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCheckpoint:
    """A checkpoint's file, and what was known of the training when it was made."""

    step: int
    progress: TrainingProgressed | None
    file: bytes = field(repr=False)

    def to_row(self) -> Row:
        return _row({"step": self.step, "progress": to_json(self.progress)}, self.file)

    @classmethod
    def from_row(cls, row: Row) -> KeptCheckpoint:
        wire = _parsed(row)
        return cls(
            step=_field(wire, "step", int),
            progress=_field(wire, "progress", TrainingProgressed | None),
            file=row.data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPiece:
    """The piece of a run's curves between two checkpoints, the later one being of `step`."""

    step: int
    curves: Curves

    def to_row(self) -> Row:
        ends = [to_json(end) for end in self.curves.epochs]
        return _row({"step": self.step, "epoch_ends": ends}, self.curves.to_bytes())

    @classmethod
    def from_row(cls, row: Row) -> KeptPiece:
        wire = _parsed(row)
        ends: tuple[EpochEnd, ...] = _field(wire, "epoch_ends", tuple[EpochEnd, ...])
        return cls(step=_field(wire, "step", int), curves=Curves.from_bytes(row.data, ends))

    def after(self, before: Row | None) -> KeptPiece:
        """Joined with what was kept at the same step before: its epoch was still open then."""
        joined = Curves()
        if before is not None:
            try:
                joined.append(KeptPiece.from_row(before).curves)
            except Damaged:
                joined = Curves()  # what is left of it is no use
        joined.append(self.curves)
        return KeptPiece(step=self.step, curves=joined)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptClasses:
    """The classes of the visitor's drawings, in their order."""

    classes: tuple[DrawnClass, ...]

    def to_row(self) -> Row:
        return _row({"classes": to_json(self.classes)})

    @classmethod
    def from_row(cls, row: Row) -> KeptClasses:
        return cls(classes=_field(_parsed(row), "classes", tuple[DrawnClass, ...]))

    @classmethod
    def is_in(cls, row: Row) -> bool:
        """Whether a row holds this, and not a drawing."""
        return "classes" in _parsed(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDrawing:
    """One of the visitor's drawings."""

    drawing: Drawing

    def to_row(self) -> Row:
        return _row({"drawing": to_json(self.drawing)})

    @classmethod
    def from_row(cls, row: Row) -> KeptDrawing:
        return cls(drawing=_field(_parsed(row), "drawing", Drawing))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptKnown:
    """What was learned of the backends with one shape of model."""

    known: Known

    def to_row(self) -> Row:
        return _row({"known": to_json(self.known)})

    @classmethod
    def from_row(cls, row: Row) -> KeptKnown:
        return cls(known=_field(_parsed(row), "known", Known))


def kept_dataset(data: Dataset) -> Row:
    """The data of a run: how it is to be read, and beside it its numbers."""
    head: dict[str, object] = {
        "dtype": data.dtype,
        "scale": data.scale,
        "shape": data.shape,
        "labels": data.labels,
        "classes": data.classes,
    }
    if data.positions is not None:
        head |= {"positions": data.positions, "is_text": data.is_text}
    return _row(head, data.inputs)


def dataset_from(row: Row) -> Dataset:
    """What `kept_dataset` made."""
    wire = _parsed(row)
    return Dataset.of(
        inputs=row.data,
        dtype=_field(wire, "dtype", str),
        scale=_field(wire, "scale", float),
        shape=_field(wire, "shape", tuple[int, ...]),
        labels=_field(wire, "labels", tuple[int, ...]),
        classes=_field(wire, "classes", tuple[str, ...]),
        positions=_field(wire, "positions", int | None),
        is_text=_field(wire, "is_text", bool | None) or False,
    )


def damaged(detail: str) -> Damaged:
    """What a row is that cannot be read."""
    return Damaged("What is kept of a run cannot be read: it is torn.", detail=detail)


def _row(wire: dict[str, object], data: bytes = b"") -> Row:
    return Row.of(json.dumps({"schema": SCHEMA, **wire}, separators=(",", ":")), data)


def _parsed(row: Row) -> Mapping[str, Any]:
    text = row.check().text
    try:
        wire = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(str(error)) from None
    if not isinstance(wire, dict):
        raise damaged("no object")
    if _field(wire, "schema", int) > SCHEMA:
        raise NewerStorage(
            "A run was kept by a newer version of Backburner. It is left as it is. Reload the "
            "page to get the newer version.",
            detail=f"schema {wire['schema']}, known {SCHEMA}",
        )
    return wire


def _field(wire: Mapping[str, Any], name: str, kind: Any) -> Any:
    try:
        return read(kind, wire.get(name), name)
    except BadField as error:
        raise damaged(error.message) from None
