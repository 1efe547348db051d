"""The ready-made models, layer by layer, exactly as a recipe could write them.

They are data, not code: a preset and the same layers written out give the same model and,
with the same seed, the same weights. All work on the 8x8 digits and on 28x28 pictures.
The output layer is not among them; `"output": "auto"` adds it from the data's classes.
"""

from __future__ import annotations

from backburner.core.errors import RecipeError
from backburner.core.layers import Conv2D, Dense, Dropout, Flatten, Layer, MaxPooling2D
from backburner.core.options import closest, listed, show

DEFAULT_PRESET = "small"
LATER_PRESETS = ("text",)

PRESETS: dict[str, tuple[Layer, ...]] = {
    # One convolution: learns in seconds, good for a first look.
    "tiny": (
        Conv2D(filters=8, kernel_size=(3, 3), activation="relu"),
        MaxPooling2D(pool_size=(2, 2)),
        Flatten(),
    ),
    # Two convolutions and a hidden layer: right on 97 of 100 digits and more. Chosen among
    # six candidates by cost and by the mean validation accuracy of five seeds, never by test.
    "small": (
        Conv2D(filters=32, kernel_size=(3, 3), padding="same", activation="relu"),
        Conv2D(filters=32, kernel_size=(3, 3), padding="same", activation="relu"),
        MaxPooling2D(pool_size=(2, 2)),
        Dropout(rate=0.25),
        Flatten(),
        Dense(units=128, activation="relu"),
    ),
    # Four convolutions in two blocks: slower, for more difficult pictures.
    "deeper": (
        Conv2D(filters=32, kernel_size=(3, 3), padding="same", activation="relu"),
        Conv2D(filters=32, kernel_size=(3, 3), padding="same", activation="relu"),
        MaxPooling2D(pool_size=(2, 2)),
        Dropout(rate=0.25),
        Conv2D(filters=64, kernel_size=(3, 3), padding="same", activation="relu"),
        Conv2D(filters=64, kernel_size=(3, 3), padding="same", activation="relu"),
        MaxPooling2D(pool_size=(2, 2)),
        Dropout(rate=0.25),
        Flatten(),
        Dense(units=128, activation="relu"),
        Dropout(rate=0.25),
    ),
}


def preset_layers(name: object, key: str = "model.preset") -> tuple[Layer, ...]:
    """The layers of a preset. Raises RecipeError for a name that is none."""
    if isinstance(name, str) and name in PRESETS:
        return PRESETS[name]
    known = listed(PRESETS)
    if isinstance(name, str) and name in LATER_PRESETS:
        raise RecipeError(
            f'{key}: this version of Backburner has no preset "{name}" yet. '
            f"The presets are {known}.",
            key=key,
        )
    near = closest(name, PRESETS) if isinstance(name, str) else ""
    raise RecipeError(
        f"{key}: there is no preset {show(name)}. {near}The presets are {known}.", key=key
    )
