"""What is said of a preset beside its name: its layers, and its size on the chosen data."""

from __future__ import annotations

from backburner.core.layer import Shape
from backburner.core.model import ModelSpec
from backburner.core.presets import PRESETS, TEXT_PRESET
from backburner.core.texts import Texts
from backburner.core.wording import layer_words


def preset_words(texts: Texts, name: str, *, input_shape: Shape, classes: int) -> dict[str, str]:
    """`layers` and `weights` of a preset; of the one for texts, whose layers are many, the size.

    As long as there are no two classes nobody knows how large the output is: then it is not among
    the layers, and the size is empty.
    """
    is_text = name == TEXT_PRESET
    spec = ModelSpec.from_layers(
        PRESETS[name],
        input_shape=input_shape,
        classes=max(2, classes),
        symbols=max(2, classes) if is_text else None,
    )
    is_known = classes >= 2
    count = spec.parameter_count
    weights = texts("create.preset.weights", count=count) if is_known else ""
    if is_text:
        return {"weights": weights}
    shown = spec.layers if is_known else spec.layers[:-1]
    # Flattening changes only how the numbers are counted; it would say nothing here.
    words = [layer_words(texts, each.layer) for each in shown if each.layer.type != "flatten"]
    return {"layers": " → ".join(words), "weights": weights}
