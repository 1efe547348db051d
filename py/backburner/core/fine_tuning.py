"""Fine-tuning: a trained network goes on learning, all of it or a part, perhaps for more classes.

Owns what a trained network is to whoever builds on it (`Base`: everything but its weights), and
what each method makes of the network: what learns, what stays as it is, what is added. It must not
know any number of it: the page says with it how many parameters a method trains before there is a
worker.

A method's "last layers" are counted from the output back, and only those that have parameters; a
residual counts as one, with all that is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from backburner.core import drawing
from backburner.core.convolutions import Conv1D, Conv2D
from backburner.core.data_sources import Data, DrawingsData
from backburner.core.errors import DataError, RecipeError
from backburner.core.fine_tuning_method import Method
from backburner.core.layer import Layer, Shape, shape_words
from backburner.core.layers import Dense, Embedding, layers_from_wire
from backburner.core.model import MOST_PARAMETERS, ModelSpec
from backburner.core.options import (
    read_object,
    show,
    sizes,
)
from backburner.core.placed_layer import Adapter, PlacedLayer
from backburner.core.text_data import OTHER, SHIPPED_VOCABULARY, TextData


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A trained network without its weights: its layers, the output's too, and what they answer.

    It can be kept as JSON, so that a run which began from it can be taken up when it is gone.
    """

    layers: tuple[Layer, ...]
    input_shape: Shape
    classes: tuple[str, ...]

    @classmethod
    def of(cls, spec: ModelSpec, classes: Iterable[str]) -> Base:
        """What a model is once it has been trained, and its adapters, if it has any, are merged."""
        return cls(
            layers=tuple(placed.layer for placed in spec.layers),
            input_shape=spec.input_shape,
            classes=tuple(classes),
        )

    @classmethod
    def from_wire(cls, wire: object, key: str = "base") -> Base:
        """Reads what `to_wire` gave. Raises RecipeError where that is not what it is."""
        given = read_object(wire, key, ("layers", "input_shape", "classes"))
        shape, classes = given.get("input_shape"), given.get("classes")
        if not (_is_list_of(shape, int) and _is_list_of(classes, str)):
            raise RecipeError(
                f"{key}: what is kept of the trained model is damaged. Choose another one.", key=key
            )
        return cls(
            layers=layers_from_wire(given.get("layers"), f"{key}.layers"),
            input_shape=tuple(cast("list[int]", shape)),
            classes=tuple(cast("list[str]", classes)),
        )

    def to_wire(self) -> dict[str, object]:
        return {
            "layers": [layer.to_wire() for layer in self.layers],
            "input_shape": list(self.input_shape),
            "classes": list(self.classes),
        }

    @property
    def is_text(self) -> bool:
        """Whether it reads and writes characters; its classes are its vocabulary then."""
        return isinstance(self.layers[0], Embedding)

    def spec(self) -> ModelSpec:
        """The model, every layer placed and named as when it was trained."""
        return ModelSpec.from_layers(
            self.layers,
            input_shape=self.input_shape,
            classes=len(self.classes),
            output="given",
            where="model.from",
            symbols=len(self.classes) if self.is_text else None,
        )

    def joined(self, classes: Iterable[str]) -> tuple[str, ...]:
        """Its own classes in their order, and after them the ones that it does not have yet."""
        return tuple(dict.fromkeys((*self.classes, *classes)))

    def with_size(self, data: Mapping[str, object]) -> dict[str, object]:
        """A recipe's `data`; where it leaves the size of an example open, it is the network's."""
        wanted = dict(data)
        match data.get("source"):
            case "drawings" if self.input_shape[0] in drawing.SIZES:
                wanted.setdefault("size", self.input_shape[0])
            case "text" if self.is_text:
                wanted.setdefault("context", self.input_shape[0])
        return wanted

    @property
    def takes_drawings(self) -> bool:
        """Whether drawings can be brought to the size of its pictures."""
        side = self.input_shape[0]
        return side in drawing.SIZES and self.input_shape == (side, side, 1)

    def adopt(self, data: Data) -> Data:
        """The data as this network takes them: a text in its vocabulary, all others as they are.

        Raises DataError, with the way out, for data of another shape, and for a character that it
        does not know.
        """
        is_text = isinstance(data, TextData)
        if is_text != self.is_text:
            reads, given = ("text", "pictures") if self.is_text else ("pictures", "text")
            raise DataError(
                f"data.source: this model was trained on {reads}, and these data are {given}. "
                f"Choose data of the same kind, or another model to begin from.",
                key="data.source",
            )
        if data.input_shape != self.input_shape:
            raise self._other_shape(data)
        if not isinstance(data, TextData):
            return data
        self._check_characters(data)
        return replace(data, classes=self.classes)

    def _other_shape(self, data: Data) -> DataError:
        key, way_out = "data.source", "Choose data of that size, or another model to begin from."
        side = self.input_shape[0]
        if isinstance(data, TextData):
            key, way_out = "data.context", f'Write "context": {side}.'
        elif isinstance(data, DrawingsData) and self.input_shape == (side, side, 1):
            key = "data.size"
            if side in drawing.SIZES:
                way_out = f'Write "size": {side}.'
        return DataError(
            f"{key}: an example is {_example_words(data.input_shape)}, but this model was trained "
            f"on {_example_words(self.input_shape)}. {way_out}",
            key=key,
        )

    def _check_characters(self, data: TextData) -> None:
        if OTHER in self.classes:
            return
        text = SHIPPED_VOCABULARY if data.text is None else data.text
        known = set(self.classes)
        unknown = next((character for character in text if character not in known), None)
        if unknown is not None:
            raise DataError(
                f"data.text: the model does not know the character {show(unknown)}: it did not "
                "occur in the text that it was trained on. Take it out of this text, or train a "
                "new model on both texts.",
                key="data.text",
            )


def tuned_spec(base: Base, method: Method, classes: Iterable[str]) -> ModelSpec:
    """What is trained when a network learns on by this method, and answers with these classes.

    `classes` are `base.joined` of the data's. Where they are more than the base's, the output
    layer has a unit for each, and learns by every method: its new units know nothing yet. What
    does not learn is frozen: a batch normalization in there uses its statistics, and leaves them.

    Raises RecipeError, its key naming the option, for a method that the network cannot have.
    """
    spec = base.spec()
    answers = len(tuple(classes))
    *body, head = spec.layers
    grows = answers > len(base.classes)
    if grows:
        head = _with_units(head, answers)
    if method.name == "lora":
        placed = [_adapted(each, method) for each in body]
        placed.append(head if grows else _adapted(head, method))
    else:
        learning = _learning(method, spec)
        placed = [each if each.name in learning else _frozen(each) for each in (*body, head)]
    tuned = replace(spec, layers=tuple(placed), classes=answers)
    if tuned.parameter_count > MOST_PARAMETERS:
        key = "method.rank" if method.name == "lora" else "data.classes"
        raise RecipeError(
            f"{key}: with this the model has {tuned.parameter_count:,} numbers, and "
            f"{MOST_PARAMETERS:,} are the most that a browser tab can train. Make it smaller.",
            key=key,
        )
    return tuned


def without_adapters(spec: ModelSpec) -> ModelSpec:
    """The model that a fine-tuned one becomes when its adapters are merged: all of it can learn."""
    plain = Base.of(spec, map(str, range(spec.classes))).spec()
    assert plain.classes == spec.classes
    return plain


def _learning(method: Method, spec: ModelSpec) -> set[str]:
    """The names of the layers, outermost ones, all of whose weights learn."""
    able = [placed.name for placed in spec.layers if placed.parameter_count]
    match method.name:
        case "all":
            return set(able)
        case "head":
            return {able[-1]}
    if method.layers > len(able):
        there = "1 layer that learns" if len(able) == 1 else f"{len(able)} layers that learn"
        raise RecipeError(
            f"method.layers is {method.layers}, but this model has only {there}. Write "
            f'{len(able)} or less, or "name": "all".',
            key="method.layers",
        )
    return set(able[-method.layers :])


def _frozen(placed: PlacedLayer) -> PlacedLayer:
    if not placed.parameter_count:
        return placed
    return replace(
        placed,
        is_frozen=True,
        parameters=tuple(replace(each, is_trained=False) for each in placed.parameters),
        inner=tuple(map(_frozen, placed.inner)),
    )


def _adapted(placed: PlacedLayer, method: Method) -> PlacedLayer:
    """Frozen, with an adapter beside its kernel; a residual, beside each kernel in it."""
    frozen = _frozen(placed)
    if placed.inner:
        inner = tuple(_adapted(each, method) for each in placed.inner)
        return replace(frozen, inner=inner, is_frozen=all(each.is_frozen for each in inner))
    if not isinstance(placed.layer, Dense | Conv2D | Conv1D):
        return frozen
    adapter = Adapter(rank=method.rank, alpha=method.alpha)
    kernel = next(each for each in placed.parameters if each.name == "kernel")
    return replace(
        frozen,
        is_frozen=False,
        adapter=adapter,
        parameters=(*frozen.parameters, *adapter.parameters(kernel)),
    )


def _with_units(head: PlacedLayer, units: int) -> PlacedLayer:
    layer = head.layer
    assert isinstance(layer, Dense | Conv1D)
    larger: Layer
    match layer:
        case Dense():
            larger = replace(layer, units=units)
        case Conv1D():
            larger = replace(layer, filters=units)
    return replace(
        head,
        layer=larger,
        output_shape=larger.output_shape(head.input_shape),
        parameters=larger.parameters(head.input_shape),
    )


def _example_words(shape: Shape) -> str:
    if len(shape) == 1:
        return f"{shape[0]:,} characters"
    return f"a picture of {sizes(shape)}" if len(shape) == 3 else shape_words(shape)


def _is_list_of(value: object, kind: type) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(type(v) is kind for v in value)
