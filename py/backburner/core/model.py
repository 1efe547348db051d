"""A model as its layer list makes it: every layer placed, named and measured.

Owns whether a layer list works as a whole: shapes that reach from the input to one logit for
each class, an output layer, a size that a browser tab can train. Everything about a single
layer is core/layers.py's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from backburner.core.errors import LayerError
from backburner.core.layers import Conv1D, Dense, Flatten, Layer, ParameterSpec, Shape
from backburner.core.options import sizes

Output = Literal["auto", "given", "last"]

MOST_PARAMETERS = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedLayer:
    """A layer at its place: named, and with the shapes that it has there.

    `index` is its place in the recipe's list; None for a layer that was added as output.
    """

    name: str
    index: int | None
    layer: Layer
    input_shape: Shape
    output_shape: Shape
    parameters: tuple[ParameterSpec, ...]

    @property
    def parameter_count(self) -> int:
        return sum(parameter.size for parameter in self.parameters)

    @property
    def multiply_adds(self) -> int:
        return self.layer.multiply_adds(self.input_shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A layer list that works: every layer placed, the last one giving a logit per class.

    A model that keeps a sequence to its end gives them at each position.

    A softmax that the recipe wrote on the output layer is the softmax of the loss and of
    the prediction; the output layer itself is stored as linear.
    """

    layers: tuple[PlacedLayer, ...]
    input_shape: Shape
    classes: int

    @classmethod
    def from_layers(
        cls,
        layers: Sequence[Layer],
        input_shape: Shape = (8, 8, 1),
        classes: int = 10,
        output: Output = "auto",
        where: str = "model.layers",
    ) -> ModelSpec:
        """Places the layers one after the other.

        With `output` "auto", a dense layer with one unit per class (after a flatten, if
        needed) is added, unless the last layer is one. With "given" the last layer must be. With
        "last" it is the output whatever it is, and `classes` is how many units it has: nobody
        asks for that in a recipe, but measurements do.
        Raises LayerError, its key naming the layer (`model.layers[2]`), and RecipeError for
        a model that is too large.
        """
        if not layers:
            raise LayerError(
                "The model has no layers. Add at least one, or choose a preset.", key=where
            )
        chain = [(index, layer) for index, layer in enumerate(layers)]
        is_output = output == "last" or _is_output(layers[-1], classes)
        if output == "given" and not is_output:
            raise _no_output(layers[-1], classes, f"{where}[{len(layers) - 1}]")
        for index, layer in chain:
            last = index == len(layers) - 1 and is_output
            if getattr(layer, "activation", None) == "softmax" and not last:
                raise _misplaced_softmax(index, layers, classes, where)
        index, head = chain[-1]
        if is_output and getattr(head, "activation", None) == "softmax":
            chain[-1] = index, replace(cast(Dense, head), activation="linear")

        placed: list[PlacedLayer] = []
        names: dict[str, int] = {}
        shape = input_shape
        count = 0
        for index, layer in chain:
            placed.append(_place(layer, index, shape, names, f"{where}[{index}]"))
            shape = placed[-1].output_shape
            count += placed[-1].parameter_count
            _check_size(placed[-1], count, f"{where}[{index}]")
        if output == "last":
            classes = _units(shape, f"{where}[{len(layers) - 1}]")
        elif not is_output:
            added: list[Layer] = [Flatten()] if len(shape) == 3 else []
            for layer in (*added, Dense(units=classes)):
                placed.append(_place(layer, None, shape, names, where))
                shape = placed[-1].output_shape
                count += placed[-1].parameter_count
                _check_size(placed[-1], count, where)
        return cls(layers=tuple(placed), input_shape=input_shape, classes=classes)

    @property
    def positions(self) -> int | None:
        """At how many positions of a sequence the model answers; None: once for an example."""
        shape = self.layers[-1].output_shape
        return shape[0] if len(shape) == 2 else None

    @property
    def parameter_count(self) -> int:
        return sum(layer.parameter_count for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Of one forward pass of one example."""
        return sum(layer.multiply_adds for layer in self.layers)

    def parameters(self) -> Iterator[tuple[str, ParameterSpec]]:
        """Every parameter with its full name (`conv2d_1/kernel`), in the model's order."""
        for placed in self.layers:
            for parameter in placed.parameters:
                yield f"{placed.name}/{parameter.name}", parameter


def _is_output(layer: Layer, classes: int) -> bool:
    match layer:
        case Dense(units=units, activation=activation):
            pass
        case Conv1D(filters=units, activation=activation):
            pass
        case _:
            return False
    return units == classes and activation in ("linear", "softmax")


def _units(shape: Shape, where: str) -> int:
    if len(shape) == 3 or shape[-1] < 2:
        found = f"a picture of {sizes(shape)}" if len(shape) == 3 else "a single number"
        raise LayerError(
            f"{where}: the model puts out {found}, and an answer is one number for each of at "
            "least 2 classes. End it with a dense layer that has a unit for each class.",
            key=where,
        )
    return shape[-1]


def _place(
    layer: Layer, index: int | None, shape: Shape, names: dict[str, int], where: str
) -> PlacedLayer:
    names[layer.type] = number = names.get(layer.type, 0) + 1
    try:
        output_shape = layer.output_shape(shape)
    except LayerError as error:
        raise LayerError(f"{where}: {error.message}", key=where) from None
    return PlacedLayer(
        name=f"{layer.type}_{number}",
        index=index,
        layer=layer,
        input_shape=shape,
        output_shape=output_shape,
        parameters=layer.parameters(shape),
    )


def _check_size(placed: PlacedLayer, count: int, where: str) -> None:
    if count > MOST_PARAMETERS:
        raise LayerError(
            f"{where}: with this {placed.layer.type} the model has {count:,} numbers to learn, and "
            f"{MOST_PARAMETERS:,} are the most that a browser tab can train. Use fewer filters or "
            f"units, or a pooling before it.",
            key=where,
        )


def _no_output(last: Layer, classes: int, where: str) -> LayerError:
    return LayerError(
        f"{where}: the model has no output layer: {last.type} comes last, and with "
        f'"output": "given" the last layer must be a dense with {classes} units, one for each '
        f'class, and no activation or softmax. Change it, or write "output": "auto" to have one '
        f"added.",
        key=where,
    )


def _misplaced_softmax(index: int, layers: Sequence[Layer], classes: int, where: str) -> LayerError:
    key = f"{where}[{index}].activation"
    layer = layers[index]
    if index == len(layers) - 1 and isinstance(layer, Dense):
        return LayerError(
            f"{key}: softmax makes this the output layer, but it has {layer.units} units and the "
            f"data has {classes} classes. Give it {classes} units, or another activation.",
            key=key,
        )
    return LayerError(
        f"{key}: softmax belongs on the last dense layer only: it turns the answer into "
        f"probabilities. Use relu here.",
        key=key,
    )
