"""The ready-made models, layer by layer, exactly as a recipe could write them.

They are data, not code: a preset and the same layers written out give the same model and,
with the same seed, the same weights. All but `text` work on the 8x8 digits and on 28x28 pictures;
that one reads characters, and says at each which comes next. The output layer is not among them;
`"output": "auto"` adds it from the data's classes.
"""

from __future__ import annotations

from backburner.core.convolutions import Conv1D, Conv2D
from backburner.core.errors import RecipeError
from backburner.core.layer import Layer
from backburner.core.layers import Dense, Dropout, Embedding, Flatten, Residual
from backburner.core.normalizations import LayerNormalization
from backburner.core.options import closest, listed, show
from backburner.core.poolings import MaxPooling2D

DEFAULT_PRESET = "small"
TEXT_PRESET = "text"


def _looking_back(dilation_rate: int) -> Residual:
    """A block of the text model: it reaches `2 * dilation_rate` characters further back."""
    return Residual(
        layers=(
            LayerNormalization(),
            Conv1D(
                filters=96,
                kernel_size=3,
                padding="causal",
                dilation_rate=dilation_rate,
                activation="relu",
            ),
            Dense(units=48),
        )
    )


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
    # Five blocks that look back over 63 characters, each twice as far as the one before. Chosen
    # among 22 by the bits that a character of validation text took, most of them at the same number
    # of multiplications; what counted most were the normalizations and the narrow way past wide
    # blocks.
    "text": (
        Embedding(output_dim=48),
        *(_looking_back(dilation_rate) for dilation_rate in (1, 2, 4, 8, 16)),
        LayerNormalization(),
    ),
}
PICTURE_PRESETS = tuple(name for name in PRESETS if name != TEXT_PRESET)


def preset_layers(name: object, key: str = "model.preset") -> tuple[Layer, ...]:
    """The layers of a preset. Raises RecipeError for a name that is none."""
    if isinstance(name, str) and name in PRESETS:
        return PRESETS[name]
    known = listed(PRESETS)
    near = closest(name, PRESETS) if isinstance(name, str) else ""
    raise RecipeError(
        f"{key}: there is no preset {show(name)}. {near}The presets are {known}.", key=key
    )


def check_preset(name: str, *, is_text: bool, key: str = "model.preset") -> None:
    """Raises RecipeError for a preset that was not made for such data."""
    if is_text == (name == TEXT_PRESET):
        return
    if is_text:
        raise RecipeError(
            f'{key}: "{name}" looks at pictures, and the data are a text. The preset for texts is '
            f'"{TEXT_PRESET}".',
            key=key,
        )
    raise RecipeError(
        f'{key}: "{name}" reads texts, and the data are pictures. The presets for pictures are '
        f'{listed(PICTURE_PRESETS)}; or learn from a text with "data": {{"source": "text"}}.',
        key=key,
    )
