"""Augmentation where it runs: what becomes of a batch, and what stays as it is."""

from __future__ import annotations

import math
import random
from textwrap import dedent
from typing import Any

import pytest

from backburner.core.augmentation import Augmentation
from backburner.engine.augmentation import coefficients
from tests.engine.laboratory import Laboratory
from tests.engine.test_training import SHARED

pytestmark = pytest.mark.browser

BACKENDS = pytest.mark.parametrize("backend", ["wasm", "cpu"])
BATCH, HEIGHT, WIDTH, CHANNELS = 5, 7, 6, 2
VARIED: dict[str, Any] = {"shift": 0.2, "rotate": 40.0, "flip": True}

AUGMENT = """
from array import array
from backburner.core.augmentation import Augmentation
from backburner.engine.augmentation import augmented

async def main(backend, pixels, shape, options, counts):
    t = await use(backend)
    found = []
    for count in counts:
        with t.scope():
            x = t.floats(pixels, shape)
            y = augmented(t, Augmentation(**options), x, seed=3, step=7, count=count)
            found.append(list(array("f", t.read_now(y))))
    return found
"""


def pixels(count: int = BATCH) -> list[float]:
    drawn = random.Random(1)
    return [drawn.random() for _ in range(count * HEIGHT * WIDTH * CHANNELS)]


def moved(picture: list[float], of_it: list[float]) -> list[float]:
    """A picture as its coefficients say, in plain Python."""
    a0, a1, a2, b0, b1, b2 = of_it

    def at(row: int, column: int, channel: int) -> float:
        inside = 0 <= row < HEIGHT and 0 <= column < WIDTH
        return picture[(row * WIDTH + column) * CHANNELS + channel] if inside else 0.0

    found = []
    for row in range(HEIGHT):
        for column in range(WIDTH):
            x, y = a0 * column + a1 * row + a2, b0 * column + b1 * row + b2
            left, top = math.floor(x), math.floor(y)
            for channel in range(CHANNELS):
                found.append(
                    sum(
                        at(top + i, left + j, channel)
                        * (1 - abs(y - top - i))
                        * (1 - abs(x - left - j))
                        for i in (0, 1)
                        for j in (0, 1)
                    )
                )
    return found


@BACKENDS
def test_every_picture_of_a_batch_is_moved_by_its_own_coefficients(
    laboratory: Laboratory, backend: str
) -> None:
    given = pixels()
    (found,) = laboratory.run(
        dedent(AUGMENT),
        backend=backend,
        pixels=given,
        shape=[BATCH, HEIGHT, WIDTH, CHANNELS],
        options=VARIED,
        counts=[BATCH],
    )
    size = HEIGHT * WIDTH * CHANNELS
    of_all = list(coefficients(Augmentation(**VARIED), 3, 7, BATCH, HEIGHT, WIDTH))
    for n in range(BATCH):
        expected = moved(given[n * size : (n + 1) * size], of_all[6 * n : 6 * n + 6])
        assert found[n * size : (n + 1) * size] == pytest.approx(expected, abs=2e-5)


@BACKENDS
def test_a_short_batch_is_varied_as_the_first_of_a_full_one(
    laboratory: Laboratory, backend: str
) -> None:
    given = pixels()
    full, short = laboratory.run(
        dedent(AUGMENT),
        backend=backend,
        pixels=given,
        shape=[BATCH, HEIGHT, WIDTH, CHANNELS],
        options={**VARIED, "noise": 0.1},
        counts=[BATCH, 3],
    )
    size = 3 * HEIGHT * WIDTH * CHANNELS
    assert full[:size] == short[:size]
    assert full[size:] != short[size:]


def test_noise_has_its_deviation_and_no_direction(laboratory: Laboratory) -> None:
    count = 60
    given = pixels(count)
    (found,) = laboratory.run(
        dedent(AUGMENT),
        backend="wasm",
        pixels=given,
        shape=[count, HEIGHT, WIDTH, CHANNELS],
        options={"noise": 0.05},
        counts=[count],
    )
    noise = [a - b for a, b in zip(found, given, strict=True)]
    mean = sum(noise) / len(noise)
    deviation = (sum((each - mean) ** 2 for each in noise) / len(noise)) ** 0.5
    assert abs(mean) < 0.003
    assert deviation == pytest.approx(0.05, rel=0.05)


UNTOUCHED = """
async def main(backend, kernels, layers):
    found = []
    for augmentation in (None, {"shift": 0.5, "rotate": 180, "flip": True, "noise": 1}):
        t, training = await start(backend, layers, kernels=kernels, count=30,
                                  augmentation=augmentation)
        said = []
        for part in ("train", "test"):
            async for evaluation in training.evaluation(part):
                pass
            said.append(evaluation.loss)
        said += (await training.predict(pictures(1)["inputs"][0]))["probabilities"]
        first = await training.train_step()
        again = []
        async for evaluation in training.evaluation("test"):
            pass
        again.append(evaluation.loss)
        async for evaluation in training.evaluation("test"):
            pass
        again.append(evaluation.loss)
        training.dispose()
        found.append([said, first.loss, again])
    return found
"""


@pytest.mark.parametrize(
    ("backend", "kernels"), [("wasm", "stock"), ("cpu", "stock"), ("wasm", "simd")]
)
def test_only_the_examples_of_steps_are_varied(
    laboratory: Laboratory, backend: str, kernels: str
) -> None:
    layers = [{"type": "flatten"}, {"type": "dense", "units": 8, "activation": "relu"}]
    (plain, first, _), (varied, other, again) = laboratory.run(
        SHARED + dedent(UNTOUCHED), backend=backend, kernels=kernels, layers=layers
    )
    assert plain == varied
    assert first != other
    assert again[0] == again[1]
