"""docs/RECIPE.md and docs/LIFECYCLE.md say what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from backburner.core.layers import LAYER_TYPES
from backburner.core.lifecycle import FINAL, OPERATION_MOVES, WORKER_MOVES, Status
from backburner.core.presets import PRESETS
from backburner.core.recipe import Recipe

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "RECIPE.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_documented_layer_by_layer(name: str) -> None:
    found = re.search(rf"### {name}\n\n```json\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    assert json.loads(found[1]) == [layer.to_wire() for layer in PRESETS[name]]


def test_the_example_is_a_recipe() -> None:
    found = re.search(r"```json\n(\{.*?)```", TEXT, re.DOTALL)
    assert found is not None
    assert Recipe.from_wire(json.loads(found[1])).seed == 7


def test_every_layer_type_is_documented() -> None:
    for name in LAYER_TYPES:
        assert f"`{name}`" in TEXT


def lifecycle_diagram() -> str:
    """The table of an operation's life as a Mermaid diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {Status.QUEUED.value}"]
    for status, moves in OPERATION_MOVES.items():
        lines += [
            f"    {status.value} --> {to.value}: {event.value}" for event, to in moves.items()
        ]
    return "\n".join(
        [*lines, *(f"    {status.value} --> [*]" for status in Status if status in FINAL)]
    )


def worker_diagram() -> str:
    lines = ["stateDiagram-v2"]
    for status, after in WORKER_MOVES.items():
        lines += [f"    {status.value} --> {to.value}" for to in sorted(after)]
    return "\n".join(lines)


def test_the_diagrams_of_the_lifecycle_are_made_from_its_tables() -> None:
    text = (DOCS / "LIFECYCLE.md").read_text(encoding="utf-8")
    found = re.findall(r"```mermaid\n(.*?)\n```", text, re.DOTALL)
    assert found == [lifecycle_diagram(), worker_diagram()]
