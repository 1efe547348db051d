"""A model as its layer list makes it: every layer placed, named and measured.

Owns whether a layer list works as a whole: shapes that reach from the input to one logit for
each class, an output layer, a size that a browser tab can train. Everything about a single
layer is core/layers.py's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from backburner.core.causality import check_causal
from backburner.core.convolutions import Conv1D
from backburner.core.errors import LayerError
from backburner.core.layer import Layer, ParameterSpec, Shape
from backburner.core.layers import Dense, Embedding, Flatten, Residual
from backburner.core.options import sizes
from backburner.core.placed_layer import PlacedLayer

Output = Literal["auto", "given", "last"]

MOST_PARAMETERS = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A layer list that works: every layer placed, the last one giving a logit per class.

    A model of sequences that keeps them to its end gives them at each position; one of pictures
    gives them once, whatever it makes of a picture on the way.

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
        symbols: int | None = None,
    ) -> ModelSpec:
        """Places the layers one after the other.

        With `output` "auto", a dense layer with one unit per class (after a flatten, if
        needed) is added, unless the last layer is one. With "given" the last layer must be. With
        "last" it is the output whatever it is, and `classes` is how many units it has: nobody
        asks for that in a recipe, but measurements do. `symbols` is how many different ones the
        data consist of, if they are a text.
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
        if symbols is not None and not isinstance(layers[0], Embedding):
            raise LayerError(
                f"{where}[0] is {layers[0].type}, but a model of text begins with an embedding, "
                'which makes numbers of its characters: {"type": "embedding", "output_dim": 32}.',
                key=f"{where}[0]",
            )
        if symbols is not None:
            check_causal(layers, where)
        index, head = chain[-1]
        if is_output and getattr(head, "activation", None) == "softmax":
            chain[-1] = index, replace(cast(Dense, head), activation="linear")

        placed: list[PlacedLayer] = []
        names: dict[str, int] = {}
        shape = input_shape
        count = 0
        for index, layer in chain:
            at = f"{where}[{index}]"
            known = symbols if index == 0 else None
            placed.append(_place(layer, index, shape, names, at, symbols=known))
            shape = placed[-1].output_shape
            count += placed[-1].parameter_count
            _check_size(placed[-1], count, f"{where}[{index}]")
        of_pictures = len(input_shape) == 3
        if output == "last":
            classes = _units(shape, f"{where}[{len(layers) - 1}]")
        elif is_output and of_pictures and len(shape) == 2:
            raise _too_many_answers(layers[-1], shape, f"{where}[{len(layers) - 1}]")
        elif not is_output:
            in_one_row = len(shape) == 1 or (len(shape) == 2 and not of_pictures)
            added: list[Layer] = [] if in_one_row else [Flatten()]
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
        for placed in self.walk():
            for parameter in placed.parameters:
                yield f"{placed.name}/{parameter.name}", parameter

    def walk(self) -> Iterator[PlacedLayer]:
        """Every layer in the order in which it computes, a residual before what is in it."""
        for placed in self.layers:
            yield from placed.walk()

    @property
    def trained_count(self) -> int:
        """How many of the parameters gradients change."""
        return sum(each.size for _, each in self.parameters() if each.is_trained)


def _is_output(layer: Layer, classes: int) -> bool:
    activation = getattr(layer, "activation", None)
    return _sums(layer) == classes and activation in ("linear", "softmax")


def _sums(layer: Layer) -> int | None:
    """How many numbers a layer makes that can be the output; None for one that cannot."""
    match layer:
        case Dense(units=sums) | Conv1D(filters=sums):
            return sums
        case _:
            return None


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
    layer: Layer,
    index: int | None,
    shape: Shape,
    names: dict[str, int],
    where: str,
    *,
    symbols: int | None = None,
    prefix: str = "",
) -> PlacedLayer:
    names[layer.type] = number = names.get(layer.type, 0) + 1
    name = f"{prefix}{layer.type}_{number}"
    inner: tuple[PlacedLayer, ...] = ()
    if isinstance(layer, Residual):
        inner = _place_inner(layer, shape, name, where)
    try:
        if isinstance(layer, Embedding):
            layer = layer.of_symbols(symbols)
        if isinstance(layer, Residual):
            layer.check_sum(shape, inner[-1].output_shape)
        output_shape = layer.output_shape(shape)
    except LayerError as error:
        raise LayerError(f"{where}: {error.message}", key=where) from None
    return PlacedLayer(
        name=name,
        index=index,
        layer=layer,
        input_shape=shape,
        output_shape=output_shape,
        parameters=layer.parameters(shape),
        inner=inner,
    )


def _place_inner(
    residual: Residual, shape: Shape, name: str, where: str
) -> tuple[PlacedLayer, ...]:
    names: dict[str, int] = {}
    placed: list[PlacedLayer] = []
    for index, layer in enumerate(residual.layers):
        at = f"{where}.layers[{index}]"
        if getattr(layer, "activation", None) == "softmax":
            raise LayerError(
                f"{at}.activation: softmax belongs on the output layer only: it turns the "
                "answer into probabilities. Use relu here.",
                key=f"{at}.activation",
            )
        placed.append(_place(layer, None, shape, names, at, prefix=f"{name}/"))
        shape = placed[-1].output_shape
    return tuple(placed)


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


def _too_many_answers(last: Layer, shape: Shape, where: str) -> LayerError:
    return LayerError(
        f"{where}: this {last.type} would answer at each of {shape[0]:,} positions, but a picture "
        'is to get one answer. Put a flatten layer before it: {"type": "flatten"}.',
        key=where,
    )


def _misplaced_softmax(index: int, layers: Sequence[Layer], classes: int, where: str) -> LayerError:
    key = f"{where}[{index}].activation"
    layer = layers[index]
    sums, name = _sums(layer), "filters" if isinstance(layer, Conv1D) else "units"
    if index == len(layers) - 1 and sums is not None:
        return LayerError(
            f"{key}: softmax makes this the output layer, but it has {sums} {name} and the "
            f"data has {classes} classes. Give it {classes} {name}, or another activation.",
            key=key,
        )
    return LayerError(
        f"{key}: softmax belongs on the output layer only: it turns the answer into "
        f"probabilities. Use relu here.",
        key=key,
    )
