"""Small text models for tests, with every layer that can stand in one, and drawn weights."""

from __future__ import annotations

import random
from array import array
from typing import Any

from backburner.core.layers import layers_from_wire
from backburner.core.model import ModelSpec
from backburner.engine.safetensors import Numbers

SYMBOLS = tuple("\n abcdefgh")


def causal(filters: int = 6, **options: Any) -> dict[str, Any]:
    defaults = {"type": "conv1d", "filters": filters, "kernel_size": 3, "padding": "causal"}
    return defaults | options


LAYERS: list[dict[str, Any]] = [
    {"type": "embedding", "output_dim": 6},
    causal(activation="tanh"),
    {"type": "residual", "layers": [
        {"type": "layer_normalization"},
        causal(8, dilation_rate=3, activation="gelu"),
        {"type": "dropout", "rate": 0.5},
        {"type": "residual", "layers": [causal(8, kernel_size=2, activation="relu")]},
        {"type": "dense", "units": 6, "activation": "sigmoid"},
    ]},
    {"type": "batch_normalization"},
    causal(6, kernel_size=1),
]  # fmt: skip


def text_spec(layers: list[dict[str, Any]] = LAYERS, context: int = 24) -> ModelSpec:
    return ModelSpec.from_layers(
        layers_from_wire(layers),
        input_shape=(context,),
        classes=len(SYMBOLS),
        symbols=len(SYMBOLS),
    )


def drawn_weights(spec: ModelSpec, seed: int = 7) -> dict[str, Numbers]:
    """Numbers for every parameter; a variance is above 0."""
    draw = random.Random(seed)
    return {
        name: Numbers(
            shape=parameter.shape,
            data=array(
                "f",
                [
                    draw.uniform(0.5, 2) if "variance" in name else draw.uniform(-1, 1)
                    for _ in range(parameter.size)
                ],
            ).tobytes(),
        )
        for name, parameter in spec.parameters()
    }
