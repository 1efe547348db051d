"""What an operation is called where people see it."""

from __future__ import annotations

from collections.abc import Mapping

from backburner.core.operation import Operation
from backburner.core.texts import Texts


def name_of(texts: Texts, operation: Operation) -> str:
    """Its own name, else what it does with another network, else its preset or its own layers."""
    if operation.name:
        return operation.name
    if operation.base is not None:
        return texts(f"dashboard.earlier.{operation.kind}")
    model = operation.recipe.get("model")
    preset = model.get("preset") if isinstance(model, Mapping) else None
    if isinstance(preset, str) and texts.knows(f"create.preset.{preset}"):
        return texts(f"create.preset.{preset}")
    return str(preset) if preset else texts("dashboard.earlier.own-layers")
