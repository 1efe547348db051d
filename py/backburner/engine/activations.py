"""What follows a layer's sum: the activations of core/layer.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from backburner.core.layer import Activation

if TYPE_CHECKING:
    from backburner.engine.tensors import Tensor, Tensors


def activate(tensors: Tensors, x: Tensor, activation: Activation) -> Tensor:
    match activation:
        case "linear":
            return x
        case "relu":
            return tensors.relu(x)
        case "gelu":
            return gelu(tensors, x)
        case "tanh":
            return tensors.tanh(x)
        case "sigmoid":
            return tensors.sigmoid(x)
        case "softmax":
            return tensors.softmax(x)
        case _:
            assert_never(activation)


def gelu(tensors: Tensors, x: Tensor) -> Tensor:
    """x times the share of a normal distribution below x (Hendrycks & Gimpel 2016).

    The exact form, Keras's and PyTorch's default, not the one with tanh.
    """
    doubled = tensors.add(tensors.erf(tensors.multiply(x, 0.5**0.5)), 1.0)
    return tensors.multiply(tensors.multiply(x, 0.5), doubled)
