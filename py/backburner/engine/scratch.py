"""How much memory a plan will take: known from shapes alone, before there is a kernel to ask.

What a plan holds for good, engine/layout.py lays out. Beside that its convolutions (and what is
computed as one) share scratch space. How much, only they know exactly, once they are loaded
(`conv2d_scratch` and `conv2d_gradients_scratch` in workers/kernels/convolution.c,
`depthwise_conv2d_scratch` in depthwise.c); here it is estimated, never as less than that.
"""

from __future__ import annotations

from backburner.engine.executor import Workload
from backburner.engine.layout import Memory
from backburner.engine.lowering.step import lower
from backburner.engine.regions import ITEM_BYTES

_LANES = 4
_TILE_ROWS = 4
_TILE_COLUMNS = 8
_STRIP_FLOATS = 4096
_BLOCK_FLOATS = 96 * 1024
_MOST_TILES = 64
_GAP = 16
_OUTPUTS = 4
_INPUTS = 6
"""As in workers/kernels: what fits a vector, a tile of products, a strip, a block of Winograd's
tiles, and what one of those gives and sees in one direction."""

_ODDS = 1024
"""Numbers: more than all the places that are rounded up by a few."""


def plan_bytes(workload: Workload) -> int:
    """What a plan holds of the backend's memory, from its first step to its last."""
    memory = Memory(workload)
    calls = lower(workload, memory, workload.batch_size, scratch_bytes)
    return memory.size + calls.scratch_bytes


def scratch_bytes(kernel: str, *window: int) -> int:
    """An estimate from above, for either direction; `window` as kernels take it (kernels.h)."""
    if kernel == "depthwise_conv2d_scratch":
        return ITEM_BYTES * (_depthwise(*window) + _ODDS)
    return ITEM_BYTES * ((_winograd(*window) or _direct(*window)) + _ODDS)


def _depthwise(*window: int) -> int:
    """One picture with its padding, or one of errors, each channel as often as it has filters."""
    _, height, width, _, outputs, high, wide, step_down, step_across, *rest = window
    dilation_down, dilation_across, _, _, down, across = rest
    reach_down = (high - 1) * dilation_down + 1
    reach_across = (wide - 1) * dilation_across + 1
    seen = ((down - 1) * step_down + reach_down) * ((across - 1) * step_across + reach_across)
    errors = (height + reach_down - 1) * (width + reach_across - 1)
    return (max(seen, errors) + high * wide + 1) * _round_up(outputs, _LANES)


def _direct(*window: int) -> int:
    """The sums one by one: packed weights, an image with its padding, lists of pixels."""
    _, height, width, channels, outputs, high, wide, step_down, step_across, *rest = window
    dilation_down, dilation_across, _, _, down, across = rest
    reach_down = (high - 1) * dilation_down + 1
    reach_across = (wide - 1) * dilation_across + 1
    places, columns = high * wide, _round_up(outputs, _TILE_COLUMNS)
    rows = (down - 1) * step_down + reach_down
    image = rows * max(width, (across - 1) * step_across + reach_across) * channels
    errors = (height + reach_down - 1) * (width + reach_across - 1) * outputs
    forward = places * channels * _round_up(outputs, _LANES) + image + down * across
    by_input = places * outputs * _round_up(channels, _LANES) + errors + height * width
    by_filter = image + down * across + max(16, _STRIP_FLOATS // columns) * (_TILE_ROWS + 1)
    if columns != outputs:
        by_filter += (places * channels + down * across) * columns
    # Beside the weights each has a bias, and a list of the window's places.
    return max(forward, by_input, by_filter) + places + max(channels, outputs)


def _winograd(*window: int) -> int:
    """Windows of three: transformed weights and their gradients. 0 where that way does not pay."""
    batch, _, _, channels, outputs, high, wide, step_down, step_across, *rest = window
    dilation_down, dilation_across, _, _, down, across = rest
    is_square = high == 3 and dilation_down == dilation_across == 1
    if wide != 3 or not (is_square or high == 1) or (step_down, step_across) != (1, 1):
        return 0
    if channels % _LANES or outputs % _LANES:
        return 0
    positions = _INPUTS**2 if is_square else _INPUTS
    rows = -(-down // _OUTPUTS) if is_square else down
    # In one direction a tile's numbers are `dilation_across` apart, and so are rows of tiles.
    tiles = rows * sum(
        -(-len(range(first, across, dilation_across)) // _OUTPUTS)
        for first in range(dilation_across)
    )
    direct = down * across * (9 if is_square else 3) * channels * outputs
    transforms = tiles * (channels + outputs) * (200 if is_square else 30)
    if tiles * positions * channels * outputs + transforms >= 0.9 * direct:
        return 0
    columns = _round_up(outputs, _TILE_COLUMNS)
    tile = positions * (2 * channels + columns)
    most = max(_TILE_ROWS, _BLOCK_FLOATS // tile // _TILE_ROWS * _TILE_ROWS)
    block = min(_MOST_TILES, most, _round_up(tiles * batch, _TILE_ROWS))
    framed_rows = rows * _OUTPUTS + 2 if is_square else rows
    framed_columns = _round_up(across, _OUTPUTS * dilation_across) + 2 * dilation_across
    return (
        2 * tiles
        + 2 * positions * channels * columns
        + max(channels, outputs)
        + block * tile
        + 3 * positions * _GAP
        + framed_rows * framed_columns * (2 * channels + outputs)
    )


def _round_up(number: int, to: int) -> int:
    return -(-number // to) * to
