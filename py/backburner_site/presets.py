"""What the page says about each preset before any Python runs: its layers and its size."""

from backburner.core.data_sources import DigitsData
from backburner.core.preset_words import preset_words
from backburner.core.presets import PRESETS, TEXT_PRESET
from backburner.core.text_data import TextData
from backburner.core.texts import Texts


def preset_facts(texts: Texts) -> dict[str, dict[str, str]]:
    """For every preset the texts about it, on what the site ships: the digits, or the text."""
    shipped = {TEXT_PRESET: TextData()}
    facts = {}
    for name in PRESETS:
        data = shipped.get(name, DigitsData())
        facts[name] = preset_words(
            texts, name, input_shape=data.input_shape, classes=len(data.classes)
        )
    return facts
