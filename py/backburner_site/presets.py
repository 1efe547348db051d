"""What the page says about each preset before any Python runs: its layers and its size."""

from backburner.core.model import ModelSpec
from backburner.core.presets import PRESETS
from backburner.core.recipe import DigitsData
from backburner.core.wording import layer_words


def preset_facts() -> list[dict[str, object]]:
    """`name`, `layers` (a few words each) and `parameters` on the digits, for the templates."""
    facts: list[dict[str, object]] = []
    for name, layers in PRESETS.items():
        spec = ModelSpec.from_layers(
            layers, input_shape=DigitsData.input_shape, classes=len(DigitsData.classes)
        )
        # Flattening changes only how the numbers are counted; it would say nothing here.
        words = [layer_words(each.layer) for each in spec.layers if each.layer.type != "flatten"]
        facts.append({"name": name, "layers": words, "parameters": spec.parameter_count})
    return facts
