"""Words for figures and states, as people read them: functions of (texts, value).

A decision made elsewhere in this room (core/panel.py, core/freshness.py) hands out its words as a
`Line`, so that it can be tested without a language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from backburner.core.convolutions import Conv1D, Conv2D, DepthwiseConv2D, SeparableConv2D
from backburner.core.layer import Layer
from backburner.core.layers import Dense, Dropout, Embedding, Residual
from backburner.core.lifecycle import Status, WorkerStatus
from backburner.core.normalizations import BatchNormalization, LayerNormalization
from backburner.core.poolings import AveragePooling2D, GlobalAveragePooling2D, MaxPooling2D
from backburner.core.state import WITHOUT_WORKER, Worker
from backburner.core.texts import Texts


def duration(texts: Texts, seconds: float) -> str:
    """`850 ms`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 1:
        return texts("common.duration.ms", ms=round(seconds * 1000))
    whole = round(seconds)
    if whole < 60:
        return texts("common.duration.s", s=whole)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        if rest and minutes < 10:
            return texts("common.duration.min-s", min=minutes, s=rest)
        return texts("common.duration.min", min=minutes)
    hours, minutes = divmod(minutes, 60)
    if minutes:
        return texts("common.duration.h-min", h=hours, min=minutes)
    return texts("common.duration.h", h=hours)


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence of the catalogue: its key, and the values that it names (floats are seconds)."""

    key: str
    values: Mapping[str, int | float | str] = field(default_factory=dict)

    def in_words(self, texts: Texts) -> str:
        values = {
            name: duration(texts, value) if isinstance(value, float) else value
            for name, value in self.values.items()
        }
        return texts(self.key, **values)


def layer_words(texts: Texts, layer: Layer) -> str:
    """A layer in a few words: `16 filters 3 × 3`."""
    match layer:
        case Conv2D(filters=filters, kernel_size=(height, width)):
            return texts("layers.conv2d", count=filters, height=height, width=width)
        case SeparableConv2D(filters=filters, kernel_size=(height, width)):
            return texts("layers.separable-conv2d", count=filters, height=height, width=width)
        case DepthwiseConv2D(kernel_size=(height, width), depth_multiplier=multiplier):
            return texts("layers.depthwise-conv2d", count=multiplier, height=height, width=width)
        case Conv1D(filters=filters, kernel_size=positions):
            return texts("layers.conv1d", count=filters, positions=positions)
        case MaxPooling2D(pool_size=(height, width)):
            return texts("layers.max-pooling", height=height, width=width)
        case AveragePooling2D(pool_size=(height, width)):
            return texts("layers.average-pooling", height=height, width=width)
        case GlobalAveragePooling2D():
            return texts("layers.global-average-pooling")
        case BatchNormalization():
            return texts("layers.batch-normalization")
        case LayerNormalization():
            return texts("layers.layer-normalization")
        case Dense(units=units):
            return texts("layers.dense", count=units)
        case Dropout(rate=rate):
            return texts("layers.dropout", percent=f"{100 * rate:g}")
        case Embedding(output_dim=count):
            return texts("layers.embedding", count=count)
        case Residual(layers=layers):
            return texts("layers.residual", layers=", ".join(layer_words(texts, e) for e in layers))
        case _:
            return layer.type.replace("_", " ")


def status_word(texts: Texts, status: Status) -> str:
    """The status in one word."""
    return texts(f"status.{status.value}.word")


def waiting_line(texts: Texts, count: int) -> str:
    """How many operations wait behind the one that is shown."""
    return texts("status.more-waiting", count=count) if count else ""


def worker_line(texts: Texts, worker: Worker) -> str:
    """How the worker is, in a few words."""
    match worker.status:
        case WorkerStatus.NONE | WorkerStatus.STARTING:
            again = worker.generation > 1
            return texts("status.worker.again" if again else "status.worker.starting")
        case WorkerStatus.READY:
            in_page = worker.mode == "main-thread"
            return texts("status.worker.in-page" if in_page else "status.worker.ready")
        case WorkerStatus.BUSY:
            return texts("status.worker.busy")
        case WorkerStatus.LOST:
            return texts("status.worker.lost")
        case _:
            assert_never(worker.status)


def fallback_line(texts: Texts, worker: Worker) -> str:
    """What it means that the page trains by itself, or cannot even do that."""
    if worker.status is WorkerStatus.LOST:
        return texts("status.fallback.lost")
    return texts(f"status.fallback.{'off' if worker.reason == WITHOUT_WORKER else 'failed'}")


def fallback_reason(worker: Worker) -> str:
    """What failed last, in technical words, which are English; empty when nothing did."""
    if worker.status is WorkerStatus.LOST:
        return worker.problem or ""
    return "" if worker.reason in (None, WITHOUT_WORKER) else worker.reason
