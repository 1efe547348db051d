"""docs/ADD_A_LAYER.md, followed to the letter: its files and rows, taken from its text."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent, indent
from types import ModuleType
from typing import Any

import pytest

from backburner.core import layers as core_layers
from backburner.core.errors import LayerError
from backburner.core.recipe import Recipe
from backburner.core.schema import recipe_schema
from tests.engine.keras_reference import Numbers
from tests.engine.laboratory import Laboratory
from tests.engine.test_layer_gradients import COMPUTE, draw, errors_of
from tests.engine.test_training import SHARED

TEXT = (Path(__file__).parents[2] / "docs" / "ADD_A_LAYER.md").read_text(encoding="utf-8")
CORE_FILE, CORE_ROW, ENGINE_FILE, ENGINE_ROW, REFERENCE, DRAWN = re.findall(
    r"```python\n(.*?)```", TEXT, re.DOTALL
)

LAYERS: list[dict[str, Any]] = [
    {"type": "conv2d", "filters": 6, "kernel_size": 3},
    {"type": "residual", "layers": [{"type": "prelu"}]},
    {"type": "flatten"},
    {"type": "dense", "units": 8},
    {"type": "prelu", "shared": True},
]

# Into the installed package of the page, as a developer would into the source.
FOLLOW = """
import importlib
from pathlib import Path
import backburner
from backburner.core.layers import LAYER_TYPES
from backburner.engine.layers import FORWARD

def follow(files, rows):
    folder = Path(backburner.__file__).parent
    for name, text in files.items():
        (folder / name).write_text(text)
    importlib.invalidate_caches()
    names = {}
    for line in ("core.prelu import PReLU", "engine.prelu import prelu"):
        exec(f"from backburner.{line}", names)
    for layer in eval(f"({rows[0]})", names):
        LAYER_TYPES[layer.type] = layer
    FORWARD.update(eval("{" + rows[1] + "}", names))
"""
FILES = {"core/prelu.py": CORE_FILE, "engine/prelu.py": ENGINE_FILE}
ROWS = [CORE_ROW, ENGINE_ROW]


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    """The layer as far as core has to know it."""
    module = ModuleType("backburner.core.prelu")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(CORE_FILE, module.__dict__)
    for layer in eval(f"({CORE_ROW})", module.__dict__):
        monkeypatch.setitem(core_layers.LAYER_TYPES, layer.type, layer)


def test_the_page_names_files_and_tables_that_are_there() -> None:
    root = Path(__file__).parents[2]
    for name in re.findall(r"`((?:core|engine|tests|site|py)/[\w/.*-]+\.\w+)`", TEXT):
        if "prelu" in name:
            continue
        path = name if name.startswith(("tests/", "site/", "py/")) else f"py/backburner/{name}"
        assert list(root.glob(path)), name


@pytest.mark.usefixtures("added")
def test_recipes_shapes_schema_and_refusals_follow_from_the_first_file() -> None:
    recipe = Recipe.from_wire({"recipe": 1, "model": {"layers": LAYERS}})
    assert Recipe.from_wire(recipe.to_wire()) == recipe
    spec = recipe.spec()
    assert [each.name for each in spec.walk()][1:3] == ["residual_1", "residual_1/prelu_1"]
    assert [each.parameter_count for each in spec.layers] == [60, 6, 0, 1736, 1, 90]
    assert recipe_schema()["$defs"]["prelu"]["properties"]["shared"]["default"] is False
    with pytest.raises(LayerError) as refused:
        Recipe.from_wire({"recipe": 1, "model": {"layers": [{"type": "prelu", "shared": 2}]}})
    assert refused.value.key == "model.layers[0].shared"


@pytest.mark.browser
def test_a_model_with_it_learns_is_kept_and_taken_up(laboratory: Laboratory) -> None:
    code = """
    from backburner.engine.checkpoint import Checkpoint

    async def to(training, step):
        while training.step < step:
            await training.train_step()

    async def main(files, rows, layers, backend, kernels):
        follow(files, rows)
        options = {"count": 12, "split": {"train": 1}, "epochs": 60, "batch_size": 12,
                   "learning_rate": 0.01, "kernels": kernels}
        t, whole = await start(backend, layers, **options)
        await to(whole, 60)
        expected = await whole.checkpoint()
        _, first = await start(backend, layers, **options)
        await to(first, 20)
        file = await first.checkpoint()
        _, second = await start(backend, layers, **options)
        second.restore(Checkpoint.from_bytes(file))
        last = None
        while second.step < 60:
            last = await second.train_step()
        alpha = Checkpoint.from_bytes(expected).parameters["residual_1/prelu_1/alpha"]
        seen = await second.activations(pictures(1)["inputs"][0])
        same = await second.checkpoint() == expected
        for each in (whole, first, second):
            each.dispose()
        return dict(same=same, loss=last.loss, alpha=array("f", alpha.data).tolist(),
                    executor=second.executor.name, layers=[each.layer for each in seen])
    """
    for backend, kernels in (("wasm", "stock"), ("wasm", "simd"), ("cpu", "stock")):
        found = laboratory.run(
            SHARED + FOLLOW + dedent(code),
            files=FILES,
            rows=ROWS,
            layers=LAYERS,
            backend=backend,
            kernels=kernels,
        )
        assert found["same"]
        assert found["loss"] < 0.1
        assert all(slope != 0 for slope in found["alpha"])
        assert found["executor"] == "tape", "there is no rule for it"
        assert "residual_1/prelu_1" in found["layers"]


def reference_with_it() -> Callable[..., Numbers]:
    """tests/engine/keras_reference.py with one case more."""
    source = (Path(__file__).parent / "keras_reference.py").read_text(encoding="utf-8")
    before = '        case "residual":\n'
    assert source.count(before) == 1
    names: dict[str, Any] = {"__name__": "reference"}
    exec(source.replace(before, indent(REFERENCE, " " * 8) + before), names)
    reference: Callable[..., Numbers] = names["logits"]
    return reference


@pytest.mark.browser
@pytest.mark.usefixtures("added")
def test_its_outputs_and_gradients_are_those_of_the_reference(laboratory: Laboratory) -> None:
    row = eval("{" + DRAWN + "}")
    drawn = [draw(number, "prelu", row["prelu"], "picture") for number in range(20)]
    reference = reference_with_it()
    code = dedent(COMPUTE).replace(
        "async def main(backend, cases):",
        "async def main(backend, cases, files, rows):\n    follow(files, rows)",
    )
    for backend in ("wasm", "cpu"):
        found = laboratory.run(
            FOLLOW + code,
            backend=backend,
            cases=[given for _, given in drawn],
            files=FILES,
            rows=ROWS,
        )
        for number, ((spec, given), answer) in enumerate(zip(drawn, found, strict=True)):
            errors = errors_of(number, spec, given, answer, reference)
            assert "prelu_1/alpha" in errors
            assert max(errors.values()) < 1, (number, errors)
