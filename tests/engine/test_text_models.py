"""Text models and shapes where they will run: in the browser."""

from __future__ import annotations

import hashlib

import pytest

from backburner.core.shapes_data import ShapesData
from backburner.engine.shapes import draw_shapes
from tests.engine.laboratory import Laboratory
from tests.engine.texts import LAYERS

pytestmark = pytest.mark.browser

SHARED = """
import json
import time

TEXT = "the cat sat on the mat, and the dog sat on the cat. " * 60

async def trained(kernels, layers, steps, **training):
    t = await use("wasm")
    wire = {"source": "text", "text": TEXT, "context": 32, "split": {"test": 0.2}}
    r = recipe(seed=3, data=wire, model={"layers": layers} if layers else {},
               training={"epochs": 50, "batch_size": 8, "learning_rate": 0.01, **training})
    training = Training.from_recipe(r, Dataset.from_text(r.data.text, r.data), t,
                                    await kernels_of(kernels))
    for _ in range(steps):
        last = await training.train_step()
    return training, last

async def sampler_of(training, seed=0):
    import pyodide_js
    await pyodide_js.loadPackage("numpy")
    from backburner.engine.sampling import Sampler
    weights, _ = await training.executor.read()
    return Sampler.from_weights(training.spec, weights, training.dataset.classes, seed=seed)
"""


@pytest.mark.parametrize("kernels", ["stock", "simd"])
def test_a_trained_model_streams_what_its_executor_predicts(
    laboratory: Laboratory, kernels: str
) -> None:
    code = """
    async def main(kernels, layers):
        training, _ = await trained(kernels, layers, 3)
        sampler = await sampler_of(training)
        import numpy
        example = training.dataset.inputs[:32]
        expected = await training.executor.predict([float(each) for each in example])
        expected = numpy.array(expected).reshape(32, -1)
        stream, found = sampler._stream, []
        for symbol in example:
            powers = numpy.exp(stream.step(symbol))
            found.append(powers / powers.sum())
        training.dispose()
        return {"most": float(numpy.abs(numpy.array(found) - expected).max()),
                "largest": float(expected.max())}
    """
    found = laboratory.run(SHARED + code.replace("\n    ", "\n"), kernels=kernels, layers=LAYERS)
    assert found["most"] < 1e-5
    assert found["largest"] > 0.1


def test_the_text_preset_learns_a_text_by_heart_and_writes_it(laboratory: Laboratory) -> None:
    code = """
    async def main():
        training, last = await trained("simd", None, 60)
        from backburner.core.generation import Generation
        sampler = await sampler_of(training)
        sampler.read("the cat s")
        settings = Generation(temperature=0)
        text = "".join(sampler.next(settings, index)[0] for index in range(42))
        training.dispose()
        return {"loss": last.loss, "text": text}
    """
    found = laboratory.run(SHARED + code.replace("\n    ", "\n"))
    assert found["loss"] < 0.2
    assert found["text"] == "at on the mat, and the dog sat on the cat. "[:42]


def test_shapes_are_drawn_in_the_browser_as_they_are_here(laboratory: Laboratory) -> None:
    code = """
    async def main(count):
        import hashlib
        from backburner.core.shapes_data import ShapesData
        from backburner.engine.shapes import draw_shapes
        digest = hashlib.sha256()
        for label, pixels in draw_shapes(ShapesData(count=count, difficulty=1)):
            digest.update(bytes([label]) + pixels)
        return digest.hexdigest()
    """
    digest = hashlib.sha256()
    for label, pixels in draw_shapes(ShapesData(count=8, difficulty=1)):
        digest.update(bytes([label]) + pixels)
    assert laboratory.run(code, count=8) == digest.hexdigest()
