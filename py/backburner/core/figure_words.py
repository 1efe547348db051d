"""The figures of the dashboard in words: of the model, of the progress, of the performance."""

from __future__ import annotations

import math
from dataclasses import asdict

from backburner.core.lifecycle import Status
from backburner.core.messages import LayerFacts
from backburner.core.operation import Operation
from backburner.core.texts import Texts
from backburner.core.wording import duration

BYTES_PER_WEIGHT = 4
_TICKING = frozenset({Status.RUNNING, Status.PAUSING, Status.STOPPING})


def has_figures(operation: Operation) -> bool:
    """Whether there is anything to say of an operation yet."""
    return operation.progress is not None or operation.parameters is not None


def figure_words(texts: Texts, operation: Operation) -> dict[str, str]:
    """Every figure by name; what is not known is a dash, never a guess."""
    return {
        **_progress(texts, operation),
        **_performance(texts, operation),
        **_model(texts, operation),
    }


def layer_rows(texts: Texts, layers: tuple[LayerFacts, ...]) -> list[tuple[str, str, str]]:
    """Name, output shape and weights of each layer."""
    return [
        (each.name, " × ".join(map(str, each.shape)), texts.number(each.parameters))
        for each in layers
    ]


def fingerprint_words(operation: Operation) -> dict[str, str]:
    """Every part of the fingerprint by name, and `short`; empty where there is none yet."""
    found = operation.fingerprint
    return {} if found is None else {**asdict(found), "short": found.short}


def memory(texts: Texts, size: int) -> str:
    """A number of bytes as `66.6 kB` or `12.3 MB`."""
    if size < 1_000_000:
        return texts("dashboard.figure.kilobytes", size=texts.number(size / 1e3, 1))
    return texts("dashboard.figure.megabytes", size=texts.number(size / 1e6, 1))


def _progress(texts: Texts, operation: Operation) -> dict[str, str]:
    none = texts("common.none")
    at = operation.progress
    score = operation.epoch_ends[-1].validation if operation.epoch_ends else None
    safe = operation.checkpoint
    return {
        "epoch": texts("dashboard.figure.of", at=at.epoch, all=at.epochs) if at else none,
        "step": texts("dashboard.figure.of", at=at.step, all=at.steps) if at else none,
        "loss": texts.number(at.loss, 4) if at else none,
        "accuracy": texts.percent(at.accuracy) if at else none,
        "validation": texts.percent(score.accuracy) if score else none,
        "elapsed": duration(texts, at.elapsed_s) if at else none,
        "checkpoint": none if safe is None else texts("dashboard.figure.at-step", step=safe),
    }


def _performance(texts: Texts, operation: Operation) -> dict[str, str]:
    none = texts("common.none")
    at = operation.progress
    is_known = at is not None and operation.status in _TICKING
    mode = operation.mode
    promised = operation.promised_s
    return {
        "speed": texts.number(at.samples_per_s) if at else none,
        "ms-per-step": texts("dashboard.figure.ms", ms=texts.number(at.ms_per_step, 1))
        if at
        else none,
        "left": duration(texts, at.eta_s) if at and is_known else none,
        "promised": none if promised is None else duration(texts, promised),
        "backend": _backend(operation) or none,
        "thread": texts(f"dashboard.thread.{mode}") if mode else none,
    }


def _backend(operation: Operation) -> str | None:
    """`wasm (simd)`; stock kernels are not named."""
    if operation.backend is None or operation.kernels in (None, "stock"):
        return operation.backend
    return f"{operation.backend} ({operation.kernels})"


def _model(texts: Texts, operation: Operation) -> dict[str, str]:
    none = texts("common.none")
    count = operation.parameters
    needed = operation.promised_bytes
    return {
        "parameters": none if count is None else texts.number(count),
        "memory": none if count is None else memory(texts, count * BYTES_PER_WEIGHT),
        "needed": none if needed is None else memory(texts, needed),
    }


def score_words(texts: Texts, operation: Operation) -> str:
    """How well it did in its test: in shares, or of a text in bits, beside those who only count."""
    test, model = operation.test, operation.model
    assert test is not None
    if not operation.is_of_text:
        count = model.sizes.get("test") if model else None
        percent = texts.percent(test.accuracy)
        return texts("playground.test-result", percent=percent, count=count)
    bits = texts.number(test.loss / math.log(2), 2)
    for each in operation.baselines:
        if each.part == "test":
            return texts(
                "playground.test-result.text",
                bits=bits,
                bigram=texts.number(each.bigram, 2),
                unigram=texts.number(each.unigram, 2),
            )
    return texts("playground.test-result.bits", bits=bits)
