"""What Create offers to learn from, as far as it is known before anything is loaded.

Owns what a network's size depends on: what an example looks like, and what is to be told apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from backburner.core.data_sources import DigitsData, DrawingsData
from backburner.core.fine_tuning import Base
from backburner.core.layer import Shape
from backburner.core.shapes_data import ShapesData
from backburner.core.text_data import TextData


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedData:
    """Of a text, `classes` are its characters."""

    source: str = DigitsData.source
    input_shape: Shape = DigitsData.input_shape
    classes: tuple[str, ...] = field(default=DigitsData.classes, repr=False)

    @classmethod
    def of(
        cls, source: str, *, drawn: Iterable[str] = (), characters: tuple[str, ...] = ()
    ) -> OfferedData:
        """`drawn` are the classes of the drawings; `characters` those of a text of one's own."""
        match source:
            case DrawingsData.source:
                drawings = DrawingsData(classes=tuple(drawn), counts=())
                shape: Shape = drawings.input_shape
                return cls(source=source, input_shape=shape, classes=drawings.classes)
            case ShapesData.source:
                shape, classes = ShapesData.input_shape, ShapesData.classes
                return cls(source=source, input_shape=shape, classes=classes)
            case TextData.source:
                text = TextData()
                shape, classes = text.input_shape, characters or text.classes
                return cls(source=source, input_shape=shape, classes=classes)
            case _:
                return cls()

    @property
    def is_text(self) -> bool:
        return self.source == TextData.source

    def fits(self, base: Base) -> bool:
        """Whether a trained network may learn on from these: drawings come in several sizes."""
        if self.is_text or base.is_text:
            return self.is_text and base.is_text
        if self.source == DrawingsData.source:
            return base.takes_drawings
        return self.input_shape == base.input_shape
