"""Numbers as coloured pixels: many small pictures side by side in one image.

Pure: which colours there are, and where the pixels go, is others' business (views/pictures.py). A
byte is a number as core/messages.py's Sheet has it, 128 for 0. All is done by slices and tables,
because it is done again every second while a network trains.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backburner.core.messages import Sheet

Colour = tuple[int, int, int]

ZERO = 128
GAP = b"\x00"
"""Between two pictures nothing is drawn; no number becomes this byte."""

_OPAQUE = b"\x00" + b"\xff" * 255


@dataclass(frozen=True, slots=True)
class Image:
    """`pixels` are red, green, blue and opacity, row by row."""

    width: int
    height: int
    pixels: bytes


@dataclass(frozen=True, slots=True)
class Palette:
    """The colour of each byte, as a table for each of red, green and blue."""

    tables: tuple[bytes, bytes, bytes]

    @classmethod
    def between(cls, negative: Colour, zero: Colour, positive: Colour) -> Palette:
        """From one colour through a second one, for 0, to a third."""

        def mixed(byte: int, part: int) -> int:
            far = positive if byte >= ZERO else negative
            share = abs(byte - ZERO) / (255 - ZERO)
            return min(255, max(0, round(zero[part] + (far[part] - zero[part]) * share)))

        red, green, blue = (bytes(mixed(byte, part) for byte in range(256)) for part in range(3))
        return cls((red, green, blue))

    def paint(self, width: int, numbers: bytes) -> Image:
        """An image of numbers, each in its colour."""
        planes = [numbers.translate(table) for table in self.tables]
        return _image(width, planes, numbers)


def in_colours(width: int, numbers: bytes) -> Image:
    """An image of red, green and blue numbers in turn, as they are."""
    planes = [numbers[part::3] for part in range(3)]
    return _image(width, planes, planes[0])


def _image(width: int, planes: Sequence[bytes], shape: bytes) -> Image:
    pixels = bytearray(4 * len(shape))
    for part, plane in enumerate((*planes, shape.translate(_OPAQUE))):
        pixels[part::4] = plane
    return Image(width, len(shape) // width, bytes(pixels))


def arranged(sheet: Sheet, data: bytes, across: int) -> tuple[int, bytes]:
    """The pictures of a sheet in rows of `across`: how wide that is, and its numbers.

    A line of one pixel is left between them.
    """
    across = min(across, sheet.shown)
    row_size = sheet.width * sheet.channels
    size = sheet.height * row_size
    gap = GAP * sheet.channels
    width = across * (sheet.width + 1) - 1
    lines: list[bytes] = []
    for first in range(0, sheet.shown, across):
        if first:
            lines.append(gap * width)
        pictures = [
            data[at * size :][:size] for at in range(first, min(first + across, sheet.shown))
        ]
        for start in range(0, size, row_size):
            line = gap.join(picture[start : start + row_size] for picture in pictures)
            lines.append(line.ljust(width * sheet.channels, GAP))
    return width, b"".join(lines)


def pieces(sheets: Sequence[Sheet], data: bytes) -> Iterator[tuple[Sheet, bytes]]:
    """Each sheet with its part of the buffer."""
    start = 0
    for sheet in sheets:
        end = start + sheet.shown * sheet.height * sheet.width * sheet.channels
        yield sheet, data[start:end]
        start = end


def ink(pixels: bytes, width: int, channels: int) -> Image:
    """An example: dark ink on white paper for one channel, colours as they are for three."""
    if channels >= 3:
        planes = [pixels[part::channels] for part in range(3)]
    else:
        planes = [pixels[::channels].translate(_PAPER)] * 3
    opaque = b"\xff" * len(planes[0])
    return _image(width, planes, opaque)


_PAPER = bytes(255 - value for value in range(256))


def colour_from_css(text: str) -> Colour:
    """`rgb(178, 58, 10)`, as browsers write the colours that they have computed."""
    red, green, blue, *_ = (round(float(number)) for number in re.findall(r"[\d.]+", text))
    return red, green, blue
