"""Words for figures and states, as people read them. Pure functions of values."""

from __future__ import annotations

from typing import assert_never

from backburner.core.layers import (
    AveragePooling2D,
    Conv2D,
    Dense,
    Dropout,
    Layer,
    MaxPooling2D,
)
from backburner.core.lifecycle import Status, WorkerStatus
from backburner.core.state import Operation, Worker


def duration(seconds: float) -> str:
    """`850 ms`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def percent(share: float) -> str:
    """A share from 0 to 1 as `97.2 %`."""
    return f"{100 * share:.1f} %"


def layer_words(layer: Layer) -> str:
    """A layer in a few words: `16 filters 3 × 3`."""
    match layer:
        case Conv2D(filters=filters, kernel_size=(height, width)):
            return f"{filters} filters {height} × {width}"
        case MaxPooling2D(pool_size=(height, width)):
            return f"largest of {height} × {width}"
        case AveragePooling2D(pool_size=(height, width)):
            return f"mean of {height} × {width}"
        case Dense(units=units):
            return f"{units} units"
        case Dropout(rate=rate):
            return f"dropout {100 * rate:g} %"
        case _:
            return layer.type.replace("_", " ")


def status_line(operation: Operation) -> str:
    """What an operation is doing, in one sentence."""
    step = f"{operation.step:,}"
    match operation.status:
        case Status.QUEUED:
            return "Waiting for the training before it."
        case Status.INITIALIZING:
            return "Loading the data and building the network…"
        case Status.RUNNING:
            return "Cooking. You can do something else meanwhile."
        case Status.PAUSING:
            return "Pausing after this step…"
        case Status.PAUSED:
            return f"Paused at step {step}."
        case Status.STOPPING:
            return "Stopping after this step…"
        case Status.STOPPED:
            return f"Stopped at step {step}. What it learned so far can be tried."
        case Status.INTERRUPTED:
            return f"Interrupted at step {step}. {_reason(operation)}"
        case Status.COMPLETED:
            taken = operation.progress.elapsed_s if operation.progress else 0.0
            return f"Done after {duration(taken)} of training."
        case Status.FAILED:
            return f"Failed at step {step}. {_reason(operation)}"
        case _:
            assert_never(operation.status)


def _reason(operation: Operation) -> str:
    return operation.error.message if operation.error else "The page was closed meanwhile."


def waiting_line(count: int) -> str:
    """How many operations wait behind the one that is shown."""
    return f"{count} more waiting." if count else ""


def worker_line(worker: Worker) -> str:
    """How the worker is, in a few words."""
    match worker.status:
        case WorkerStatus.NONE | WorkerStatus.STARTING:
            return "Getting ready…" if worker.generation <= 1 else "Starting a new worker…"
        case WorkerStatus.READY:
            return "Ready"
        case WorkerStatus.BUSY:
            return "Cooking"
        case WorkerStatus.LOST:
            return f"Not working: {worker.problem}"
        case _:
            assert_never(worker.status)
