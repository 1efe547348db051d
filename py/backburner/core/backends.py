"""Which of TensorFlow.js's backends computes: what is tried, what wins, what stays out.

Decisions over figures; who tries, times and remembers is worker/choosing.py. A backend that
cannot start, does not know its sums (engine/canary.py) or does not answer is out, whatever its
speed. One that fails in the middle of a run is dropped: it is not chosen again for this shape of
model by this version, unless somebody asks for it by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

Backend = Literal["wasm", "webgpu", "webgl", "cpu"]

BACKENDS: tuple[Backend, ...] = ("wasm", "webgpu", "webgl", "cpu")
"""All of them, in the order in which they are tried: the later ones are measured against wasm."""

GPU: frozenset[str] = frozenset({"webgpu", "webgl"})
"""Those that can go under a run: a driver is reset, another program takes the memory. What wasm
and cpu cannot do is a fault of the worker or the page."""

GPU_ANSWERS_MS = 4.0
"""What a step costs a graphics card at the very least: some hundred small orders, and waiting for
the loss. Where wasm needs less, no card can be quicker, and none has to be started."""

ANSWER_S = 20.0
"""How long a graphics card may take for anything, its first step included."""

MOST_ANSWERS = 14
"""For so many answers cards are waited for, at the very most, until a run has its backend. To be
ready for use costs two, for the start and for the sum: of the backend of its checkpoint, of the
one that is remembered, and of the last resort. Four for each of two on trial: it has to be ready,
to build the model, and to train it."""

CLEARLY_SLOWER = 2.0
"""So many times the time of the quickest so far: no more of it need be measured."""

SAME_LOSS = 0.01
"""How far the first losses of two backends may lie apart, as a share, and be the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How one backend did with a model. Without times it is out, and `problem` says why."""

    backend: str
    ms_per_step: float | None = None
    ms_per_evaluation: float | None = None
    """The time for one batch of an evaluation."""
    problem: str | None = None

    def in_words(self) -> str:
        """For the log: `wasm 3.2 ms`, `webgl: it did not answer`."""
        if self.ms_per_step is None:
            return f"{self.backend}: {self.problem}"
        return f"{self.backend} {self.ms_per_step:.1f} ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What was learned of the backends with one shape of model; `dropped` failed in a run."""

    trials: tuple[Trial, ...] = ()
    dropped: tuple[str, ...] = ()

    def trial(self, backend: str) -> Trial | None:
        """How a backend did, if it was measured."""
        return next(
            (each for each in self.trials if each.backend == backend and each.ms_per_step), None
        )

    def with_trials(self, trials: Sequence[Trial]) -> Known:
        """With newer trials in the place of older ones of the same backends."""
        newer = {each.backend for each in trials}
        kept = (each for each in self.trials if each.backend not in newer)
        return replace(self, trials=(*kept, *trials))

    def without(self, backends: Collection[str]) -> Known:
        """With more that are dropped."""
        return replace(self, dropped=tuple(sorted({*self.dropped, *backends})))


def shape_key(
    *,
    layers: Sequence[object],
    input_shape: Sequence[int],
    batch_size: int,
    optimizer: str,
    version: str,
    kernels: str,
) -> str:
    """Names what the time of a step depends on, so that it can be remembered."""
    named = [layers, list(input_shape), batch_size, optimizer, version, kernels]
    text = json.dumps(named, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def candidates(mode: str, out: Collection[str]) -> tuple[Backend, ...]:
    """What may be tried, in order.

    In the page's own thread no graphics card is: one that hangs would take the page with it.
    """
    off = {*out, *(GPU if mode == "main-thread" else ())}
    return tuple(each for each in BACKENDS if each not in off)


def reason_against(backend: str, trials: Sequence[Trial]) -> str | None:
    """Why a backend need not even be started, after these trials; None: it is to be tried."""
    best = fastest(trials)
    if best is None or best.ms_per_step is None:
        return None
    if backend == "cpu":
        return f"not tried: {best.backend} works"
    if backend in GPU and best.ms_per_step < GPU_ANSWERS_MS:
        return (
            f"not tried: no graphics card answers in the {best.ms_per_step:.1f} ms of "
            f"{best.backend}"
        )
    return None


def is_clearly_slower(ms_per_step: float, trials: Sequence[Trial]) -> bool:
    """Whether a single warm step says enough."""
    best = fastest(trials)
    return (
        best is not None
        and best.ms_per_step is not None
        and ms_per_step > CLEARLY_SLOWER * best.ms_per_step
    )


def is_same_course(losses: Sequence[float], reference: Sequence[float]) -> bool:
    """Whether the first losses of a model are those of another backend, within a tolerance.

    The second loss is the first one's gradients put to use: wrong ones show there.
    """
    return all(
        abs(loss - wanted) <= SAME_LOSS * max(1.0, abs(wanted))
        for loss, wanted in zip(losses, reference, strict=False)
    )


def fastest(trials: Sequence[Trial]) -> Trial | None:
    """The quickest of those that are right; None when there is none."""
    timed = [each for each in trials if each.ms_per_step is not None]
    return min(timed, key=lambda each: cast(float, each.ms_per_step), default=None)


def chosen(known: Known, mode: str) -> Backend | None:
    """The quickest that was measured and may be used; None when it has to be measured first."""
    allowed = candidates(mode, known.dropped)
    best = fastest([each for each in known.trials if each.backend in allowed])
    return None if best is None else cast(Backend, best.backend)


def last_resort(mode: str, out: Collection[str] = ()) -> Backend:
    """What computes when nothing was measured, or nothing that was tried worked: its error is
    then the run's."""
    left = candidates(mode, out)
    return left[0] if left else "wasm"


def wanted_backend(*, address: str | None, has_seed: bool, preference: str) -> str | None:
    """What new runs of a page compute on; None leaves it to a measurement.

    The address (`?backend=`) has the first word. A page with a seed in its address is to give
    the same result everywhere, so it asks for wasm; on others the preference counts.
    """
    if address is not None:
        return address
    if has_seed:
        return "wasm"
    return None if preference == "automatic" else preference
