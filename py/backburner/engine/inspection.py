"""What a model has in it, made ready to be looked at: its filters, and what its layers put out.

Owns what is shown of a layer and how a number becomes a byte; pure, so that it is tested without
a browser. It must not know where numbers come from (an executor) nor which colours they get
(the page's views). It works between the steps of a training, in Python: so what is shown of a
layer is limited, all cutting is done by slices, and each layer comes by itself, for the caller to
give way after it.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from backburner.core.convolutions import Conv1D, Conv2D, DepthwiseConv2D, SeparableConv2D
from backburner.core.errors import TrainingDiverged
from backburner.core.layer import Shape
from backburner.core.messages import Sheet
from backburner.core.model import ModelSpec
from backburner.core.placed_layer import Adapter
from backburner.engine.executor import LayerOutput
from backburner.engine.fine_tuning import merged_kernel
from backburner.engine.safetensors import Numbers

Form = Literal["pictures", "numbers"]

MOST_SHOWN = 16
"""Filters or channels of a layer. The same for both: the filter above makes the picture below."""

LONGEST_SIDE = 32
"""Of a picture; of a larger one only each second, third … row and column is shown."""

LONGEST_ROW = 256
"""Numbers of a layer that puts out a row of them, or positions of a sequence."""

COLOURS = 3
ZERO, REACH = 128, 127

Piece = tuple[Sheet, bytes]


# --- filters ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterBank:
    """The filters of one layer: `parameter` holds them as [*window, channels, count].

    With an adapter they are what the layer computes with: that, and what the adapter adds.
    """

    layer: str
    parameter: str
    shape: Shape
    window: tuple[int, int]
    channels: int
    count: int
    adapter: Adapter | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All parameters that have to be known."""
        added = ("lora_a", "lora_b") if self.adapter else ()
        return (self.parameter, *(f"{self.layer}/{name}" for name in added))

    def kernel(self, parameters: Mapping[str, Numbers]) -> Numbers:
        """The filters, taken from parameters by their full names."""
        if self.adapter is None:
            return parameters[self.parameter]
        kernel, a, b = (parameters[name] for name in self.names)
        return merged_kernel(kernel, a, b, self.adapter)


def filter_banks(spec: ModelSpec) -> tuple[FilterBank, ...]:
    """Those of a model, in its order. What looks at one place only has no picture."""
    found = []
    for placed in spec.walk():
        kernel, each_has_its_own = "kernel", False
        match placed.layer:
            case Conv2D() | Conv1D():
                pass
            case DepthwiseConv2D():
                each_has_its_own = True
            case SeparableConv2D():
                kernel, each_has_its_own = "depthwise_kernel", True
            case _:
                continue
        shape = next(each.shape for each in placed.parameters if each.name == kernel)
        *window, channels, count = shape
        if each_has_its_own:  # [.., channels, multiplier]: so many filters, of one channel each
            channels, count = 1, channels * count
        if math.prod(window) == 1:
            continue
        height, width = window if len(window) == 2 else (1, window[0])
        found.append(
            FilterBank(
                layer=placed.name,
                parameter=f"{placed.name}/{kernel}",
                shape=shape,
                window=(height, width),
                channels=channels,
                count=count,
                adapter=placed.adapter,
            )
        )
    return tuple(found)


def filter_pieces(
    banks: Iterable[FilterBank], parameters: Mapping[str, Numbers], form: Form
) -> Iterator[Piece]:
    """The filters of each bank, taken from parameters by their full names (`conv2d_1/kernel`).

    A filter has a picture for each channel that it looks at. Shown is the one that matters most
    to it (the largest sum of squares), and three at once as one in colours. Raises TrainingDiverged
    for filters that are no numbers any more.
    """
    for bank in banks:
        kernel = bank.kernel(parameters)
        if not kernel.are_finite():
            raise TrainingDiverged(
                f"The weights of {bank.layer} are not numbers any more: they ran away, and cannot "
                "be shown. Train again, with a smaller learning rate.",
                key="training.learning_rate",
            )
        yield _filter_piece(bank, kernel, form)


def _filter_piece(bank: FilterBank, kernel: Numbers, form: Form) -> Piece:
    (height, width), numbers = bank.window, array("f", kernel.data)
    sheet = Sheet(
        layer=bank.layer,
        shape=bank.shape,
        count=bank.count,
        shown=bank.count,
        height=height,
        width=width,
        channels=bank.channels,
        most=_largest(numbers),
    )
    if form == "numbers":
        return sheet, kernel.data
    shown = min(bank.count, MOST_SHOWN)
    pictures = [_filter_picture(numbers, bank.channels, bank.count, at) for at in range(shown)]
    in_colours = COLOURS if bank.channels == COLOURS else 1
    data = b"".join(_bytes(picture, _largest(picture)) for picture in pictures)
    return replace(sheet, shown=shown, channels=in_colours), data


def _filter_picture(numbers: array[float], channels: int, count: int, at: int) -> array[float]:
    """One filter of a kernel [.., channels, count], of one channel, or of three as they are."""
    own = numbers[at::count]
    if channels in (1, COLOURS):
        return own
    return max((own[channel::channels] for channel in range(channels)), key=_square_sum)


def _square_sum(numbers: Iterable[float]) -> float:
    return sum(number * number for number in numbers)


# --- activations -----------------------------------------------------------------------


def activation_pieces(outputs: Iterable[LayerOutput], form: Form) -> Iterator[Piece]:
    """What each layer puts out, channel by channel.

    All channels of a layer have one scale, so that a bright one is a loud one.
    """
    for output in outputs:
        if form == "numbers":
            yield _all_numbers(output)
        else:
            yield _output_piece(output)


def _all_numbers(output: LayerOutput) -> Piece:
    *places, count = output.shape if len(output.shape) > 1 else (1, *output.shape, 1)
    height, width = places if len(places) == 2 else (1, places[0])
    sheet = Sheet(
        layer=output.layer,
        shape=output.shape,
        count=count,
        shown=count,
        height=height,
        width=width,
        most=_largest(output.numbers),
    )
    return sheet, output.numbers.tobytes()


def _output_piece(output: LayerOutput) -> Piece:
    most = _largest(output.numbers)
    every = 1
    match output.shape:
        case (height, width, count):
            shown = min(count, MOST_SHOWN)
            every = -(-max(height, width) // LONGEST_SIDE)
            planes = [_thinned(output.numbers[at::count], width, every) for at in range(shown)]
            height, width = -(-height // every), -(-width // every)
        case (positions, numbers):
            # A sequence is one picture: a row for each number, a column for each position.
            count = shown = 1
            height, width = min(numbers, LONGEST_SIDE), min(positions, LONGEST_ROW)
            planes = [output.numbers[at::numbers][:width] for at in range(height)]
        case (length,):
            count = shown = height = 1
            width = min(length, LONGEST_ROW)
            planes = [output.numbers[:width]]
        case _:
            raise NotImplementedError(output.shape)
    sheet = Sheet(
        layer=output.layer,
        shape=output.shape,
        count=count,
        shown=shown,
        height=height,
        width=width,
        every=every,
        most=most,
    )
    return sheet, b"".join(_bytes(plane, most) for plane in planes)


def _thinned(plane: array[float], width: int, every: int) -> array[float]:
    """Each `every`th row and column of a picture."""
    if every == 1:
        return plane
    rows = range(0, len(plane), width * every)
    return array("f", b"".join(plane[row : row + width : every].tobytes() for row in rows))


# --- numbers as bytes --------------------------------------------------------------------


def _largest(numbers: Sequence[float]) -> float:
    """The largest magnitude."""
    return max(max(numbers), -min(numbers))


def _bytes(numbers: Iterable[float], most: float) -> bytes:
    """128 for 0, 255 for `most` and 1 for its opposite; where all are 0, all are 128."""
    scale = REACH / most if most else 0.0
    return bytes([ZERO + round(number * scale) for number in numbers])
