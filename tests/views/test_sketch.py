"""What was drawn on a pad, and the ways back."""

from __future__ import annotations

from backburner.views.sketch import GRID, MOVES, Cursor, Sketch


def sketch(*strokes: list[tuple[float, float]]) -> Sketch:
    drawn = Sketch()
    for stroke in strokes:
        drawn.begin(*stroke[0])
        for point in stroke[1:]:
            drawn.extend(*point)
        drawn.finish()
    return drawn


ONE = [(0.5, 0.1), (0.5, 0.9)]
DOT = [(0.2, 0.2)]


def test_strokes_are_kept_in_their_order() -> None:
    assert sketch(ONE, DOT).strokes == [ONE, DOT]


def test_every_change_counts_and_nothing_else() -> None:
    drawn = sketch(ONE)
    before = drawn.version
    drawn.undo()
    assert drawn.version == before + 1
    drawn.undo()
    drawn.clear()
    assert drawn.version == before + 1


def test_a_pen_that_hardly_moves_draws_nothing_new() -> None:
    drawn = Sketch()
    drawn.begin(0.5, 0.5)
    version = drawn.version
    drawn.extend(0.5005, 0.4995)
    assert (drawn.strokes, drawn.version) == ([[(0.5, 0.5)]], version)


def test_a_pen_that_leaves_the_pad_draws_along_its_edge() -> None:
    drawn = sketch([(0.5, 0.5), (1.7, -3.0)])
    assert drawn.strokes == [[(0.5, 0.5), (1.0, 0.0)]]


def test_undo_takes_back_one_stroke_after_the_other() -> None:
    drawn = sketch(ONE, DOT)
    drawn.undo()
    assert drawn.strokes == [ONE]
    drawn.undo()
    assert (drawn.strokes, drawn.can_undo) == ([], False)


def test_undo_brings_back_what_was_cleared() -> None:
    drawn = sketch(ONE, DOT)
    drawn.clear()
    assert (drawn.strokes, drawn.can_undo) == ([], True)
    drawn.undo()
    assert drawn.strokes == [ONE, DOT]


def test_undo_in_the_middle_of_a_stroke_lifts_the_pen() -> None:
    drawn = sketch(ONE)
    drawn.begin(0.1, 0.1)
    drawn.undo()
    assert (drawn.strokes, drawn.is_drawing) == ([ONE], False)


def test_the_cursor_reaches_every_cell_and_never_leaves_the_pad() -> None:
    cursor = Cursor()
    for down, right in MOVES.values():
        cursor.move(down * 3 * GRID, right * 3 * GRID)
        assert 0 <= cursor.row < GRID
        assert 0 <= cursor.column < GRID
    cursor.move(-GRID, -GRID)
    assert cursor.point == (0.5 / GRID, 0.5 / GRID)
    cursor.move(GRID, GRID)
    assert cursor.point == (1 - 0.5 / GRID, 1 - 0.5 / GRID)


def test_the_keys_lead_in_eight_directions() -> None:
    assert len(set(MOVES.values())) == 8
    assert all(-1 <= step <= 1 for move in MOVES.values() for step in move)
