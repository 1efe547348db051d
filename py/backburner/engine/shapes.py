"""Draws shapes to learn from: 28 by 28, with smooth edges, as difficult as is wanted.

Every picture follows from its seed and its place alone, to the byte on every machine. So it is
drawn with what is rounded alike everywhere: Python's `+ - * /` on floats, one at a time, and
`sqrt`. Sines, cosines and powers are not (each system's library has its own last digit): the few
that are needed stand here as numbers, and a shape is turned by the tangent of half the angle, which
gives both without them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from backburner.core.shapes_data import SHAPES, ShapesData
from backburner.engine.randomness import key

SIDE = 28
_SLICES = 4
"""So many lines through each row of pixels are filled exactly; a pixel is their mean."""

Point = tuple[float, float]
Ring = Sequence[Point]
"""A closed line; x goes to the right, y down."""


def _regular(corners: int, radius: float, turn: Point, start: Point = (0.0, -1.0)) -> list[Point]:
    """A regular polygon: `turn` is cosine and sine of the angle between two corners."""
    x, y = start
    ring: list[Point] = []
    for _ in range(corners):
        ring.append((radius * x, radius * y))
        x, y = x * turn[0] - y * turn[1], x * turn[1] + y * turn[0]
    return ring


_A_THIRD = (-0.5, 0.8660254037844386)
_A_FIFTH = (0.30901699437494745, 0.9510565162951535)
_A_24TH = (0.9659258262890683, 0.25881904510252074)
_HALF_A_FIFTH = (0.5877852522924731, -0.8090169943749475)
"""Where the first inner corner of a star lies."""

_CIRCLE = _regular(24, 1.0, _A_24TH)
_STAR = [
    corner
    for pair in zip(
        _regular(5, 1.15, _A_FIFTH), _regular(5, 0.5, _A_FIFTH, _HALF_A_FIFTH), strict=True
    )
    for corner in pair
]
_ARM, _REACH = 0.36, 1.05
_CROSS = [
    (-_ARM, -_REACH), (_ARM, -_REACH), (_ARM, -_ARM), (_REACH, -_ARM), (_REACH, _ARM),
    (_ARM, _ARM), (_ARM, _REACH), (-_ARM, _REACH), (-_ARM, _ARM), (-_REACH, _ARM),
    (-_REACH, -_ARM), (-_ARM, -_ARM),
]  # fmt: skip
_HALF_A_HEART = [
    (0.0, -0.55), (0.12, -0.78), (0.32, -0.93), (0.55, -0.96), (0.78, -0.86), (0.94, -0.66),
    (1.0, -0.4), (0.95, -0.1), (0.8, 0.2), (0.58, 0.48), (0.3, 0.77),
]  # fmt: skip
_HEART = [
    *_HALF_A_HEART,
    (0.0, 1.05),
    *((-x, y) for x, y in reversed(_HALF_A_HEART[1:])),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A shape: what is inside the ring, without what is inside of `bitten`."""

    ring: Ring
    bitten: Ring = ()


OUTLINES: dict[str, Outline] = {
    "circle": Outline(ring=_CIRCLE),
    "square": Outline(ring=[(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)]),
    "triangle": Outline(ring=[(x, y + 0.2) for x, y in _regular(3, 1.2, _A_THIRD)]),
    "star": Outline(ring=_STAR),
    "cross": Outline(ring=_CROSS),
    "heart": Outline(ring=_HEART),
    "moon": Outline(
        ring=[(1.1 * x + 0.15, 1.1 * y) for x, y in _CIRCLE],
        bitten=[(0.85 * x + 0.65, 0.85 * y - 0.25) for x, y in _CIRCLE],
    ),
}


class Dice:
    """The random numbers of one picture, one after the other."""

    def __init__(self, words: Sequence[int]) -> None:
        self._words = iter(words)

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * (next(self._words) / 2**32)

    def below(self, probability: float) -> bool:
        return next(self._words) / 2**32 < probability


def draw_shapes(data: ShapesData) -> Iterator[tuple[int, bytes]]:
    """Label and pixels (0 is empty, 255 full ink) of one picture after the other, the classes in
    turn. Each takes a millisecond or two.
    """
    for index in range(data.count * len(SHAPES)):
        label = index % len(SHAPES)
        dice = Dice(key(data.seed, "shapes/words", index).words(64))
        noise = key(data.seed, "shapes/noise", index).bytes(SIDE * SIDE)
        yield label, draw(OUTLINES[SHAPES[label]], data.difficulty, dice, noise)


def draw(outline: Outline, difficulty: float, dice: Dice, noise: bytes) -> bytes:
    """One picture."""
    ink = 255 - difficulty * dice.between(0, 110)
    picture = [ink * part for part in _shape(outline, difficulty, dice)]
    for part in _clutter(difficulty, dice):
        faint = ink * dice.between(0.3, 0.65)
        picture = [max(there, faint * each) for there, each in zip(picture, part, strict=True)]
    # Numbers from -1 to 1, small ones more often: the sum of two halves of a byte.
    strength = difficulty * difficulty * 110 / 15
    return bytes(
        min(255, max(0, round(each + strength * ((byte >> 4) + (byte & 15) - 15))))
        for each, byte in zip(picture, noise, strict=True)
    )


def _shape(outline: Outline, difficulty: float, dice: Dice) -> list[float]:
    """How much of each pixel the shape covers: placed by the dice, filled or only its line."""
    radius = dice.between(9.6 - 4.6 * difficulty, 11.0 - 1.2 * difficulty)
    squeezed = 1 - difficulty * dice.between(0, 0.3)
    # Up to an eighth of a turn to either side; difficult ones also lie on a side or upside down.
    half = 0.4142135623730951 * dice.between(-1, 1) * min(1.0, 2 * difficulty)
    cosine, sine = (1 - half * half) / (1 + half * half), 2 * half / (1 + half * half)
    for _ in range(3):
        if dice.below(max(0.0, difficulty - 0.5)):
            cosine, sine = -sine, cosine
    room = max(0.0, SIDE / 2 - 1.05 * radius) * min(1.0, 0.25 + 1.5 * difficulty)
    x, y = SIDE / 2 + dice.between(-room, room), SIDE / 2 + dice.between(-room, room)

    def placed(ring: Ring) -> list[Point]:
        return [
            (
                x + radius * (squeezed * px * cosine - py * sine),
                y + radius * (squeezed * px * sine + py * cosine),
            )
            for px, py in ring
        ]

    ring, bitten = placed(outline.ring), placed(outline.bitten)
    is_line = dice.below(0.15 + 0.45 * difficulty)
    thickness = dice.between(2.6 - 1.2 * difficulty, 3.0 - 0.8 * difficulty)
    filled = _covered(ring, bitten)
    if not is_line:
        return filled
    inside = _covered(inset(ring, thickness), inset(bitten, -thickness))
    return [max(0.0, outer - inner) for outer, inner in zip(filled, inside, strict=True)]


def _clutter(difficulty: float, dice: Dice) -> Iterator[list[float]]:
    """Small things that mean nothing, where it is difficult: up to four."""
    for _ in range(4):
        wanted, radius = dice.below(difficulty - 0.35), dice.between(0.9, 2.4)
        x, y = dice.between(2, SIDE - 2), dice.between(2, SIDE - 2)
        ring = OUTLINES["triangle"].ring if dice.below(0.5) else OUTLINES["square"].ring
        if wanted:
            yield coverage([(x + radius * px, y + radius * py) for px, py in ring])


def _covered(ring: Ring, bitten: Ring) -> list[float]:
    if not bitten:
        return coverage(ring)
    return [
        max(0.0, whole - gone) for whole, gone in zip(coverage(ring), coverage(bitten), strict=True)
    ]


def inset(ring: Ring, distance: float) -> list[Point]:
    """The ring with every side moved inwards (below 0: outwards) by `distance`."""
    if not ring:
        return []
    sides = list(zip(ring, [*ring[1:], ring[0]], strict=True))
    area = sum(ax * by - bx * ay for (ax, ay), (bx, by) in sides)
    sign = distance if area > 0 else -distance
    moves: list[Point] = []
    for (ax, ay), (bx, by) in sides:
        dx, dy = bx - ax, by - ay
        length = math.sqrt(dx * dx + dy * dy)
        moves.append((-dy / length, dx / length))
    moved: list[Point] = []
    for (x, y), (bx, by), (ax, ay) in zip(ring, moves, [moves[-1], *moves[:-1]], strict=True):
        # Where the two moved sides meet.
        share = sign / (1 + ax * bx + ay * by)
        moved.append((x + share * (ax + bx), y + share * (ay + by)))
    return moved


def coverage(ring: Ring) -> list[float]:
    """How much of each pixel lies inside the ring, from 0 to 1.

    Along each line through a row it is noted where the ring is crossed, as what changes from one
    pixel to the next; the running sum of that is how much is inside.
    """
    changes = [0.0] * (SIDE * SIDE + 2)
    for (ax, ay), (bx, by) in zip(ring, [*ring[1:], ring[0]], strict=True):
        if ay == by:
            continue
        weight = 1 / _SLICES
        if ay > by:
            ax, ay, bx, by, weight = bx, by, ax, ay, -weight
        slope = (bx - ax) / (by - ay)
        first = max(0, _ceil(ay * _SLICES - 0.5))
        last = min(SIDE * _SLICES, _ceil(by * _SLICES - 0.5))
        for line in range(first, last):
            x = ax + slope * ((line + 0.5) / _SLICES - ay)
            x = min(max(x, 0.0), SIDE - 1e-9)
            whole = int(x)
            at = line // _SLICES * SIDE + whole
            changes[at] += weight * (1 - (x - whole))
            changes[at + 1] += weight * (x - whole)
    return [min(1.0, abs(each)) for each in accumulate(changes[: SIDE * SIDE])]


def _ceil(number: float) -> int:
    return -int(-number // 1)
