"""Numbers as coloured pixels, in plain CPython."""

from __future__ import annotations

from typing import Any

from backburner.core.messages import Sheet
from backburner.views.tiles import Palette, arranged, colour_from_css, in_colours, ink, pieces

RED, GREY, BLUE = (255, 0, 0), (100, 100, 100), (0, 0, 255)
PALETTE = Palette.between(BLUE, GREY, RED)


def sheet(**values: Any) -> Sheet:
    size = {"layer": "conv2d_1", "shape": (2, 2, 1, 3), "count": 3, "shown": 3}
    return Sheet(**{**size, "height": 2, "width": 2, **values})


def test_zero_and_both_ends_have_their_own_colours_and_gaps_have_none() -> None:
    image = PALETTE.paint(2, bytes([128, 255, 1, 0]))
    assert (image.width, image.height) == (2, 2)
    pixels = [tuple(image.pixels[at : at + 4]) for at in range(0, 16, 4)]
    assert pixels[:3] == [(*GREY, 255), (*RED, 255), (*BLUE, 255)]
    assert pixels[3][3] == 0


def test_halfway_between_two_numbers_the_colour_is_halfway_too() -> None:
    (half,) = (PALETTE.paint(1, bytes([192])).pixels[:3],)
    assert [abs(a - b) <= 1 for a, b in zip(half, (178, 50, 50), strict=True)] == [True] * 3


def test_pictures_stand_side_by_side_with_a_line_between_them() -> None:
    data = bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    width, numbers = arranged(sheet(), data, across=2)
    assert width == 5
    assert [list(numbers[at : at + 5]) for at in range(0, len(numbers), 5)] == [
        [1, 2, 0, 5, 6],
        [3, 4, 0, 7, 8],
        [0, 0, 0, 0, 0],
        [9, 10, 0, 0, 0],
        [11, 12, 0, 0, 0],
    ]


def test_fewer_pictures_than_fit_take_no_more_room_than_they_need() -> None:
    width, numbers = arranged(sheet(shown=1, count=1), bytes([1, 2, 3, 4]), across=8)
    assert (width, list(numbers)) == (2, [1, 2, 3, 4])


def test_pictures_in_colours_keep_their_colours() -> None:
    width, numbers = arranged(
        sheet(height=1, width=1, channels=3, shown=2), bytes([1, 2, 3, 4, 5, 6]), across=2
    )
    image = in_colours(width, numbers)
    assert list(image.pixels) == [1, 2, 3, 255, 0, 0, 0, 0, 4, 5, 6, 255]


def test_the_buffer_is_shared_out_among_the_sheets() -> None:
    first, second = sheet(shown=2), sheet(height=1, width=3, shown=1)
    found = list(pieces([first, second], bytes(range(11))))
    assert found == [(first, bytes(range(8))), (second, bytes(range(8, 11)))]


def test_examples_are_ink_on_paper_or_in_their_colours() -> None:
    assert list(ink(bytes([0, 255]), 2, 1).pixels) == [255, 255, 255, 255, 0, 0, 0, 255]
    assert list(ink(bytes([1, 2, 3, 9]), 1, 4).pixels) == [1, 2, 3, 255]


def test_colours_are_read_as_browsers_write_them() -> None:
    assert colour_from_css("rgb(178, 58, 10)") == (178, 58, 10)
    assert colour_from_css("rgba(178, 58, 10, 0.5)") == (178, 58, 10)
