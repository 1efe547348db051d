"""Pictures from files to learn from: which there are, of what, and brought to which size.

Owns the options of the data source `images` and its refusals, and the limits that keep a file from
taking all memory. It must not know how a picture is unpacked: that is the browser's, in the worker.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from backburner.core.errors import DataError
from backburner.core.image_header import image_size
from backburner.core.options import Option, as_integer, integer, read_object, refusal, show
from backburner.core.split import SplitRecipe

MOST_IMAGES = 10_000
MOST_PIXELS = 100_000_000
"""Of one file: unpacked it takes four bytes for each."""
LONGEST_LABEL = 200


def _read_channels(value: object, key: str) -> int:
    number = as_integer(value)
    if number not in (1, 3):
        raise refusal(value, key, "it must be 1 or 3", "1 is grey, 3 is colour.")
    return number


SIZE = integer(8, 128, "It is how many pixels wide and high each picture becomes.")
CHANNELS = Option(read=_read_channels, schema={"enum": [1, 3]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One file: its bytes, what is to be seen on it, and what it is called where it is refused."""

    content: bytes = field(repr=False)
    label: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesData:
    """Pictures in PNG, JPEG, GIF or WebP, of which each becomes `size` by `size`.

    What does not fit the square is cut off, the same on both sides; `channels` of 1 makes them
    grey. `classes` are the labels, in alphabetical order.
    """

    source: ClassVar[str] = "images"
    images: tuple[Image, ...] = field(repr=False)
    classes: tuple[str, ...]
    size: int = 32
    channels: int = 3
    split: SplitRecipe = field(default_factory=SplitRecipe)

    @classmethod
    def from_wire(cls, wire: Mapping[str, object], key: str = "data") -> ImagesData:
        given = read_object(wire, key, ("source", "size", "channels", "images", "split"))
        size = SIZE.read(given.get("size", 32), f"{key}.size")
        channels = CHANNELS.read(given.get("channels", 3), f"{key}.channels")
        split = SplitRecipe.from_wire(given.get("split", {}), f"{key}.split")
        listed = given.get("images")
        if not isinstance(listed, list | tuple) or not 0 < len(listed) <= MOST_IMAGES:
            raise DataError(
                f"{key}.images is {show(listed)}, but it must be a list of one to {MOST_IMAGES:,} "
                'pictures, such as [{"data": "iVBORw0…", "label": "cat"}, …].',
                key=f"{key}.images",
            )
        read = [_read_image(each, f"{key}.images[{at}]") for at, each in enumerate(listed)]
        classes = tuple(sorted({label for _, label, _ in read}))
        position = {label: at for at, label in enumerate(classes)}
        images = tuple(
            Image(content=content, label=position[label], name=name)
            for content, label, name in read
        )
        return cls(images=images, classes=classes, size=size, channels=channels, split=split)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return (self.size, self.size, self.channels)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many pictures each class has."""
        found = Counter(each.label for each in self.images)
        return tuple(found[label] for label in range(len(self.classes)))

    def to_wire(self) -> dict[str, object]:
        return {
            "source": self.source,
            "size": self.size,
            "channels": self.channels,
            "images": [
                {
                    "data": base64.b64encode(each.content).decode("ascii"),
                    "label": self.classes[each.label],
                    "name": each.name,
                }
                for each in self.images
            ],
            "split": self.split.to_wire(),
        }


def _read_image(value: object, place: str) -> tuple[bytes, str, str]:
    """Its bytes, its label and its name: what it is called, or else its place in the recipe."""
    given = read_object(value, place, ("data", "label", "name"))
    label, name = given.get("label"), given.get("name") or place
    if not isinstance(label, str) or not 0 < len(label) <= LONGEST_LABEL:
        raise DataError(
            f"{place}.label is {show(label)}, but it must say what is to be seen, in up to "
            f'{LONGEST_LABEL} characters, such as "cat".',
            key=f"{place}.label",
        )
    if not isinstance(name, str) or len(name) > LONGEST_LABEL:
        raise DataError(
            f"{place}.name is {show(name)}, but it must be a text of up to {LONGEST_LABEL} "
            "characters, or left out.",
            key=f"{place}.name",
        )
    try:
        content = base64.b64decode(str(given.get("data", "")), validate=True)
    except (binascii.Error, ValueError):
        raise _unusable(
            name, "its data is not base64", "Encode the file's bytes anew", place
        ) from None
    if not content:
        raise _unusable(name, "it is empty", "Take it away, or take the file anew", place)
    sides = image_size(content)
    if sides is None or 0 in sides:
        raise _unusable(
            name,
            "it is no picture that can be read here",
            "Save it as PNG, JPEG, GIF or WebP",
            place,
        )
    if sides[0] * sides[1] > MOST_PIXELS:
        raise _unusable(
            name,
            f"it is {sides[0]:,} by {sides[1]:,} pixels, and {MOST_PIXELS:,} in all are the most "
            "that are unpacked here",
            "Save it smaller",
            place,
        )
    return content, label, name


def _unusable(name: str, problem: str, way_out: str, place: str) -> DataError:
    return DataError(
        f"The picture {name} cannot be used: {problem}. {way_out}.", key=f"{place}.data"
    )
