"""Create's ready-made networks: how large each is depends on the data that are chosen."""

from __future__ import annotations

from backburner.core.offered_data import OfferedData
from backburner.core.preset_words import preset_words
from backburner.core.presets import PICTURE_PRESETS, TEXT_PRESET
from backburner.core.texts import Texts
from backburner.views.written import Written


class PresetCards:
    """The template has the words for what the site ships; they are written anew for all else."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._written = Written()
        self._drawn: tuple[object, ...] = ()

    def draw(self, data: OfferedData) -> None:
        now = (data, self._texts.language)
        if now == self._drawn:
            return
        self._drawn = now
        for preset in (TEXT_PRESET,) if data.is_text else PICTURE_PRESETS:
            words = preset_words(
                self._texts, preset, input_shape=data.input_shape, classes=len(data.classes)
            )
            for place, text in words.items():
                self._written.text(f"preset-{preset}-{place}", text)
