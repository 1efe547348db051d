"""What a model of text may not do: look ahead, or lose the positions.

At each position it says which character comes next. A layer that sees the character itself would
make that easy, and worthless; one that puts out fewer positions, or none, leaves some without an
answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from backburner.core.convolutions import Conv1D
from backburner.core.errors import LayerError
from backburner.core.layer import Layer
from backburner.core.layers import Flatten, Reshape, Residual
from backburner.core.poolings import GlobalAveragePooling2D, Pooling2D


def check_causal(layers: Sequence[Layer], where: str) -> None:
    """Raises LayerError, its key naming the layer or its option."""
    for index, layer in enumerate(layers):
        at = f"{where}[{index}]"
        match layer:
            case Conv1D(padding=padding) if padding != "causal":
                raise LayerError(
                    f'{at}.padding is "{padding}", but a model of text must not look ahead: it is '
                    'to say what comes next. Write "padding": "causal".',
                    key=f"{at}.padding",
                )
            case Conv1D(strides=strides) if strides > 1:
                raise LayerError(
                    f"{at}.strides is {strides}, but a model of text answers at each position, and "
                    "this leaves some out. Write 1; to reach further back, use dilation_rate.",
                    key=f"{at}.strides",
                )
            case Flatten() | Reshape() | Pooling2D() | GlobalAveragePooling2D():
                raise LayerError(
                    f"{at}: {layer.type} puts positions together, but a model of text answers at "
                    "each of them. Take it away: conv1d and dense work on sequences as they are.",
                    key=at,
                )
            case Residual(layers=inner):
                check_causal(inner, f"{at}.layers")
