"""What has been drawn on a pad: strokes, the way back, and a cursor for the keyboard.

Owns no pixels and no events: coordinates are shares of the pad's side, from 0 to 1, so that a pad
may change its size while it is drawn on. The pad itself (drawing_pad.py) puts this on the screen.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Point = tuple[float, float]
Stroke = list[Point]

GRID = 16
"""Rows and columns that the keyboard's cursor moves on."""

NEAREST = 0.002
"""Points closer than this share of the pad's side say nothing new."""


@dataclass(slots=True)
class Sketch:
    """Strokes in the order in which they were drawn; `version` counts the changes."""

    strokes: list[Stroke] = field(default_factory=list)
    version: int = 0
    is_drawing: bool = False
    _cleared: list[list[Stroke]] = field(default_factory=list)

    def begin(self, x: float, y: float) -> None:
        """Puts the pen down: a new stroke, so far a dot."""
        self.strokes.append([_on_pad(x, y)])
        self.is_drawing = True
        self.version += 1

    def extend(self, x: float, y: float) -> None:
        """Draws on to a point."""
        before, point = self.strokes[-1][-1], _on_pad(x, y)
        if max(abs(point[0] - before[0]), abs(point[1] - before[1])) >= NEAREST:
            self.strokes[-1].append(point)
            self.version += 1

    def finish(self) -> None:
        """Lifts the pen."""
        self.is_drawing = False

    def undo(self) -> None:
        """Takes the last stroke back, or brings back what was cleared last."""
        self.finish()
        if self.strokes:
            self.strokes.pop()
        elif self._cleared:
            self.strokes = self._cleared.pop()
        else:
            return
        self.version += 1

    def clear(self) -> None:
        """Empties the pad; undo brings the drawing back."""
        self.finish()
        if self.strokes:
            self._cleared = [self.strokes]
            self.strokes = []
            self.version += 1

    @property
    def can_undo(self) -> bool:
        return bool(self.strokes or self._cleared)


@dataclass(slots=True)
class Cursor:
    """Where the keyboard's pen is, counted from 0."""

    row: int = GRID // 4
    column: int = GRID // 2

    def move(self, down: int, right: int) -> None:
        """Goes on by rows and columns, and stays on the pad."""
        self.row = max(0, min(GRID - 1, self.row + down))
        self.column = max(0, min(GRID - 1, self.column + right))

    @property
    def point(self) -> Point:
        """The middle of its cell, as shares of the pad's side."""
        return (self.column + 0.5) / GRID, (self.row + 0.5) / GRID


MOVES = {
    "ArrowUp": (-1, 0),
    "ArrowDown": (1, 0),
    "ArrowLeft": (0, -1),
    "ArrowRight": (0, 1),
    "Home": (-1, -1),
    "PageUp": (-1, 1),
    "End": (1, -1),
    "PageDown": (1, 1),
}
"""Rows down and columns right for each key; the corners are where a number pad has them."""


def _on_pad(x: float, y: float) -> Point:
    """A pen that leaves the pad draws along its edge."""
    return max(0.0, min(1.0, x)), max(0.0, min(1.0, y))
