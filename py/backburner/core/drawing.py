"""From strokes to what a network sees: a drawing, prepared as the training data was.

Owns the way from lines that a hand drew to ink on a bitmap of 32 by 32, and from there to the
numbers of a model's input. It must not know where the strokes come from (a pad, a file, a test)
nor what a model makes of them. Everything here is a pure function of the strokes, in plain
integers and floats, and takes a few milliseconds in a browser: it runs while the hand moves.

Where a drawing stands, how large it is and how thick the pen was does not matter: the ink is
cropped, scaled into a frame, and drawn again with a pen of its own. How, a `Fit` says.

`DIGITS` repeats what was done to the shipped digits before they became numbers (NIST's programs,
C. L. Wilson and M. D. Garris, "Handprinted character database", 1990; then UCI's counting). The
figures are read off the data: the ink fills the height of the frame and about 20 of its 32
columns; the first and the last row have the same left edge, whoever slanted the digit; and all
have about as much ink (313 of 1,024 pixels, nine tenths of them between 261 and 368), because
thin lines were thickened and thick ones thinned. The light end of that is taken here: a pen that
is drawn anew fills small loops sooner than one that was thinned. Each of the four is needed: the
fixtures in tests/data/strokes.json say what each is worth (docs/EXPERIMENTS.md).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backburner.core.errors import DataError

SIDE = 32
"""Pixels along each side of the bitmap that every drawing becomes."""

SIZES = (8, 16, 32)
"""Sides of the pictures that can be counted from it in whole blocks: those that one learns from."""

Stroke = Sequence[tuple[float, float]]
"""One line of a pen, as points (x, y), y downwards; a single point is a dot."""

_ROW = (1 << SIDE) - 1
_TEXT = re.compile(rf"[0-9a-f]{{{8 * SIDE}}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How ink is brought into the frame, in pixels of the bitmap.

    The ink with its pen is at most `width` wide and `height` high. One direction is stretched
    at most `stretch` times as much as the other. With `upright` the ink is sheared until its
    first and its last row begin at the same column. The pen is the one that leaves about `ink`
    pixels; with None it is always the same.
    """

    width: int = SIDE
    height: int = SIDE
    stretch: float = 1.0
    upright: bool = False
    ink: int | None = None


DIGITS = Fit(width=20, stretch=1.5, upright=True, ink=260)
DRAWINGS = Fit()
SHAPES = Fit(width=24, height=24)
"""As large as the generated shapes are, which leave some room around them; and a pen as thick as
their lines."""

_MARGIN = 2.5
"""Room for half a pen at each side of the frame."""
_MOST_SHEAR = 0.5
"""A lean of more than 27 degrees belongs to the drawing."""
_EDGE = 0.1
"""The share of the height that counts as the first row, and as the last."""


@dataclass(frozen=True, slots=True)
class Bitmap:
    """Ink on 32 by 32 pixels: one integer for each row, its lowest bit the leftmost pixel."""

    rows: tuple[int, ...]

    @classmethod
    def from_text(cls, text: str) -> Bitmap:
        """What `to_text` made. Raises DataError for anything else."""
        if not _TEXT.fullmatch(text):
            raise DataError(
                "A drawing that was kept cannot be read: it was cut short, or is not a drawing. "
                "Remove it, and draw it again."
            )
        return cls(tuple(int(text[at : at + 8], 16) for at in range(0, len(text), 8)))

    def to_text(self) -> str:
        """256 hexadecimal digits, eight a row: less than most messages, and readable in any."""
        return "".join(f"{row:08x}" for row in self.rows)

    def count(self) -> int:
        """How many pixels are ink."""
        return sum(row.bit_count() for row in self.rows)

    def counts(self, size: int) -> list[list[int]]:
        """`[size][size]`: how many pixels of each block are ink; `size` is one of SIZES."""
        block = SIDE // size
        mask = (1 << block) - 1
        return [
            [sum((row >> at & mask).bit_count() for row in rows) for at in range(0, SIDE, block)]
            for rows in (self.rows[top : top + block] for top in range(0, SIDE, block))
        ]

    def blocks(self, size: int) -> list[list[float]]:
        """`[size][size]`: the share of ink in each block, from 0 to 1.

        Where `size` is none of SIZES, pixels on the border of two blocks count in both, each for
        the part that lies there.
        """
        if size in SIZES:
            full = most_ink(size)
            return [[count / full for count in row] for row in self.counts(size)]
        parts = _parts(size)
        across = [
            [sum(part for x, part in block if row >> x & 1) for block in parts] for row in self.rows
        ]
        return [
            [sum(part * across[y][at] for y, part in block) for at in range(size)]
            for block in parts
        ]


def most_ink(size: int) -> int:
    """How many pixels a block has, of `size` in a row."""
    return (SIDE // size) ** 2


def _parts(size: int) -> list[list[tuple[int, float]]]:
    """For each of `size` blocks in a row: the pixels that it covers, and each one's share of it."""
    wide = SIDE / size
    blocks: list[list[tuple[int, float]]] = []
    for at in range(size):
        low, high = at * wide, (at + 1) * wide
        pixels = range(int(low), min(SIDE, math.ceil(high)))
        blocks.append([(x, (min(high, x + 1) - max(low, x)) / wide) for x in pixels])
    return blocks


def fit_of(source: object) -> Fit:
    """How a drawing is prepared for a model that learned from this source of data."""
    return {"digits": DIGITS, "shapes": SHAPES}.get(str(source), DRAWINGS)


def model_input(
    strokes: Sequence[Stroke], shape: Sequence[int], fit: Fit
) -> list[list[float]] | None:
    """A drawing as a model with inputs of `shape` sees it; None when nothing is drawn.

    Raises DataError for a model that drawings cannot be shown to.
    """
    size = side_of(shape)
    bitmap = draw(strokes, fit)
    return None if bitmap is None else bitmap.blocks(size)


def side_of(shape: Sequence[int]) -> int:
    """The side of a model's square, colourless pictures. Raises DataError for others."""
    height, width, channels = shape if len(shape) == 3 else (0, 0, 0)
    if height != width or not 1 <= height <= SIDE or channels != 1:
        colours = "" if channels <= 1 else f" in {channels} colours"
        raise DataError(
            f"This network looks at pictures of {width} × {height}{colours}. A drawing can be "
            f"shown to networks that look at square pictures in one colour, of {SIDE} pixels a "
            f"side or less: train one on the digits, the shapes or your own drawings.",
            key="input",
        )
    return height


def draw(strokes: Sequence[Stroke], fit: Fit) -> Bitmap | None:
    """The ink of a drawing in its frame; None when there is no point at all."""
    lines = [stroke for stroke in strokes if stroke]
    if not lines:
        return None
    spine = _spine(_framed(_upright(lines) if fit.upright else lines, fit))
    return _with_ink(spine, fit.ink) if fit.ink is not None else _dilated(spine, _PENS[2])


# --- where the ink goes -----------------------------------------------------------------


def _upright(lines: Sequence[Stroke]) -> list[list[tuple[float, float]]]:
    """The lines, sheared until their lowest part begins below the beginning of their highest."""
    top = min(y for line in lines for _, y in line)
    bottom = max(y for line in lines for _, y in line)
    height = bottom - top
    if not height:
        return [list(line) for line in lines]
    edge = _EDGE * height
    lean = (_leftmost(lines, bottom - edge, bottom) - _leftmost(lines, top, top + edge)) / height
    lean = max(-_MOST_SHEAR, min(_MOST_SHEAR, lean))
    return [[(x - lean * (y - top), y) for x, y in line] for line in lines]


def _leftmost(lines: Sequence[Stroke], above: float, below: float) -> float:
    """The smallest x of all ink between two heights."""
    found = math.inf
    for line in lines:
        for (x0, y0), (x1, y1) in zip(line, line[1:] or line, strict=False):
            if min(y0, y1) > below or max(y0, y1) < above:
                continue
            slope = (x1 - x0) / (y1 - y0) if y1 != y0 else 0.0
            for x, y in ((x0, y0), (x1, y1)):
                inside = max(above, min(below, y))
                found = min(found, x + slope * (inside - y))
    return found


def _framed(lines: Sequence[Stroke], fit: Fit) -> list[list[tuple[float, float]]]:
    """The lines, scaled and moved into the middle of the frame."""
    left = min(x for line in lines for x, _ in line)
    right = max(x for line in lines for x, _ in line)
    top = min(y for line in lines for _, y in line)
    bottom = max(y for line in lines for _, y in line)
    # A dot, or a line without any width, has no scale of its own in that direction.
    across = (fit.width - 2 * _MARGIN) / (right - left) if right > left else math.inf
    down = (fit.height - 2 * _MARGIN) / (bottom - top) if bottom > top else math.inf
    across, down = min(across, down * fit.stretch), min(down, across * fit.stretch)
    if math.isinf(across):
        across = down = 0.0
    x_middle, y_middle = (left + right) / 2, (top + bottom) / 2
    return [
        [((x - x_middle) * across + SIDE / 2, (y - y_middle) * down + SIDE / 2) for x, y in line]
        for line in lines
    ]


def _spine(lines: Sequence[Stroke]) -> tuple[int, ...]:
    """The pixels that the lines run through."""
    rows = [0] * SIDE
    for line in lines:
        for x, y in _walk(line):
            rows[int(y)] |= 1 << int(x)
    return tuple(rows)


def _walk(line: Stroke) -> Iterator[tuple[float, float]]:
    """Points along a line, at most half a pixel apart."""
    x0, y0 = line[0]
    yield x0, y0
    for x1, y1 in line[1:]:
        steps = math.ceil(2 * max(abs(x1 - x0), abs(y1 - y0)))
        for step in range(1, steps):
            share = step / steps
            yield x0 + (x1 - x0) * share, y0 + (y1 - y0) * share
        yield x1, y1
        x0, y0 = x1, y1


# --- how thick the pen is ---------------------------------------------------------------

Pen = tuple[tuple[int, int], ...]
"""A round pen: for each row that it covers, the distance to the middle, and its half width."""


def _pens(largest: int) -> Iterator[Pen]:
    """Round pens in every size that differs on pixels, up to a radius."""
    before: Pen = ()
    for square in range(largest**2 + 1):
        radius = math.isqrt(square)
        pen = tuple((dy, math.isqrt(square - dy * dy)) for dy in range(-radius, radius + 1))
        if pen != before:
            yield pen
        before = pen


_PENS = tuple(_pens(8))


def _with_ink(spine: tuple[int, ...], wanted: int) -> Bitmap:
    """The ink of the pen that comes closest to the number of pixels wanted."""
    best = Bitmap(spine)
    for pen in _PENS:
        inked = _dilated(spine, pen)
        if abs(inked.count() - wanted) < abs(best.count() - wanted):
            best = inked
        if inked.count() > wanted:
            break
    return best


def _dilated(spine: tuple[int, ...], pen: Pen) -> Bitmap:
    """A pen drawn along the spine: each row of it is an integer, so a shift moves all pixels."""
    wide = {half: [_widened(row, half) for row in spine] for _, half in pen}
    rows = [0] * SIDE
    for dy, half in pen:
        for y in range(max(0, -dy), min(SIDE, SIDE - dy)):
            rows[y + dy] |= wide[half][y]
    return Bitmap(tuple(rows))


def _widened(row: int, half: int) -> int:
    for _ in range(half):
        row |= row << 1 | row >> 1
    return row & _ROW
