"""What the page says about each preset before any Python runs: its layers and its size."""

from dataclasses import dataclass

from backburner.core.model import ModelSpec
from backburner.core.presets import PRESETS
from backburner.core.recipe import DigitsData
from backburner.core.texts import Texts
from backburner.core.wording import layer_words


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetFacts:
    """A preset's name, and texts about it: its `layers`, and how many `weights` on the digits."""

    name: str
    texts: dict[str, str]


def preset_facts(texts: Texts) -> list[PresetFacts]:
    """The facts of every preset, in the words of one language."""
    facts = []
    for name, layers in PRESETS.items():
        spec = ModelSpec.from_layers(
            layers, input_shape=DigitsData.input_shape, classes=len(DigitsData.classes)
        )
        # Flattening changes only how the numbers are counted; it would say nothing here.
        words = [
            layer_words(texts, each.layer) for each in spec.layers if each.layer.type != "flatten"
        ]
        about = {
            "layers": " → ".join(words),
            "weights": texts("create.preset.weights", count=spec.parameter_count),
        }
        facts.append(PresetFacts(name=name, texts=about))
    return facts
