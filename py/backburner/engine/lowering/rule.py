"""How a type of layer becomes kernel calls: what a rule says, and what it says it with.

Owns `Rule`, of which every type of layer has one (the table is in lowering/layers.py), and
`Lowering`, which collects the calls and knows where the numbers of a layer lie. A rule computes
nothing: it names kernels, regions and sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from backburner.core.errors import BackendError
from backburner.core.layer import Layer, Shape
from backburner.core.placed_layer import PlacedLayer
from backburner.engine.lowering.calls import Argument, Call, Phase
from backburner.engine.regions import ITEM_BYTES, SCRATCH, Region

if TYPE_CHECKING:
    from backburner.engine.layout import Memory

ScratchBytes: TypeAlias = Callable[..., int]
"""`(kernel, *window)`: how much scratch space it needs, as the kernel itself says."""

NO_BOUND = float("-inf")
"""What bounds the numbers of a kernel from below that has no relu in it."""


class Rule:
    """One type of layer as kernel calls.

    Its output has a region of its own (`Lowering.output`), and so has whatever else it keeps from
    its way forward to its way back (`Lowering.kept`), by names that it chooses.
    """

    is_view = False
    """Whether its output is its input, merely read in another shape: then it calls nothing."""

    def kept(self, placed: PlacedLayer) -> Mapping[str, Shape]:
        """What it keeps of each example, by name, without the batch."""
        return {}

    def kept_once(self, placed: PlacedLayer) -> Mapping[str, Shape]:
        """What it keeps of a batch, or from batch to batch, by name."""
        return {}

    def forward(self, lowering: Lowering, placed: PlacedLayer, *, training: bool) -> None:
        """From its input to its output. An answer (not `training`) keeps nothing for a way back."""
        raise NotImplementedError

    def backward(
        self, lowering: Lowering, placed: PlacedLayer, errors: Errors, *, wanted: bool
    ) -> None:
        """From the errors by its output to the gradients of its parameters, and to the errors by
        its input where those are `wanted`: where nothing below it learns, nobody asks.
        """
        raise NotImplementedError

    def update(self, lowering: Lowering, placed: PlacedLayer) -> None:
        """What changes of it in a step by other means than gradients."""

    def ends_in_bound(self, placed: PlacedLayer) -> float | None:
        """Where the layer ends in adding a bias and cutting off below a bound (a relu's is 0),
        that bound: a max pooling after it reads both backwards in passing. None: it does not.
        """
        return None


@dataclass
class Errors:
    """Where the errors lie on their way back: how the loss changes with a layer's output.

    Neighbours take turns in two regions, which stay in the cache. Whoever needs its errors again
    later holds them: then the others go on in a third one.
    """

    regions: tuple[Region, ...]
    current: int = 0
    held: list[int] = field(default_factory=list)

    def here(self, shape: Shape) -> Region:
        """The errors now."""
        return self.regions[self.current].seen_as(*shape)

    def turn(self, shape: Shape) -> Region:
        """Another region, in which they go on: a kernel writes there what it makes of them here."""
        free = (at for at in range(len(self.regions)) if at not in (self.current, *self.held))
        self.current = next(free)
        return self.here(shape)

    def hold(self) -> None:
        """What is here stays."""
        self.held.append(self.current)

    def back(self) -> None:
        """To what was held last."""
        self.current = self.held.pop()


@dataclass
class Lowering:
    """Collects the calls for batches of `batch` examples. `phase` is what they are for."""

    memory: Memory
    rules: Mapping[type[Layer], Rule]
    batch: int
    ask_scratch_bytes: ScratchBytes
    phase: Phase = "forward"
    scratch_bytes: int = 0
    passed_back: set[str] = field(default_factory=set)
    """Layers whose end was read backwards by the pooling after them (`Rule.ends_in_bound`)."""
    _calls: list[Call] = field(default_factory=list)
    _before: dict[str, PlacedLayer] = field(default_factory=dict)

    def emit(self, layer: PlacedLayer | str, kernel: str, *arguments: Argument) -> None:
        """One more call, for a layer or for something else that has a name."""
        name = layer if isinstance(layer, str) else layer.name
        call = Call(phase=self.phase, layer=name, kernel=kernel, arguments=arguments)
        self._calls.append(call)

    def taken(self) -> tuple[Call, ...]:
        """What was emitted since the last time."""
        taken = tuple(self._calls)
        self._calls.clear()
        return taken

    # --- chains of layers --------------------------------------------------------------

    def forward(self, layers: Sequence[PlacedLayer], *, training: bool) -> None:
        """Through the layers, one after the other."""
        for placed in layers:
            if not self.rule(placed).is_view:
                self.rule(placed).forward(self, placed, training=training)

    def backward(self, layers: Sequence[PlacedLayer], errors: Errors, *, wanted: bool) -> None:
        """Back through the layers, to the first one that learns, or to the input if its errors are
        `wanted`.
        """
        learning = [at for at, placed in enumerate(layers) if learns(placed)]
        last = 0 if wanted else min(learning, default=len(layers))
        for at in range(len(layers) - 1, last - 1, -1):
            if at > 0:
                self._before[layers[at].name] = layers[at - 1]
            if not self.rule(layers[at]).is_view:
                more = wanted or at > last
                self.rule(layers[at]).backward(self, layers[at], errors, wanted=more)

    def before(self, placed: PlacedLayer) -> PlacedLayer | None:
        """On the way back: the layer whose output this one was given; None if that came from
        outside of its chain."""
        return self._before.get(placed.name)

    def rule(self, placed: PlacedLayer) -> Rule:
        return self.rules[type(placed.layer)]

    # --- where numbers lie -------------------------------------------------------------

    def of_batch(self, region: Region) -> Region:
        """Of a region of the largest batch what this one has."""
        return region.seen_as(self.batch, *region.shape[1:])

    def input(self, placed: PlacedLayer) -> Region:
        """[batch, *placed.input_shape]"""
        return self.of_batch(self.memory.inputs_of[placed.name])

    def output(self, placed: PlacedLayer) -> Region:
        """[batch, *placed.output_shape]"""
        return self.of_batch(self.memory.outputs[placed.name])

    def kept(self, placed: PlacedLayer, name: str) -> Region:
        """What a layer keeps of each example (`Rule.kept`)."""
        return self.of_batch(self.memory.kept[placed.name][name])

    def kept_once(self, placed: PlacedLayer, name: str) -> Region:
        """What it keeps of a batch, or from one to the next (`Rule.kept_once`)."""
        return self.memory.kept_once[placed.name][name]

    def parameter(self, placed: PlacedLayer, name: str) -> Region:
        """A parameter of a layer by the name that the layer gave it."""
        return self.memory.parameters["variables"][f"{placed.name}/{name}"]

    def if_there(self, placed: PlacedLayer, name: str) -> Region | None:
        """A parameter that the layer may have been told to do without."""
        return self.memory.parameters["variables"].get(f"{placed.name}/{name}")

    def gradient(self, placed: PlacedLayer, name: str) -> Region | None:
        """Where the gradient by a parameter goes; None where it learns nothing, or is not there."""
        return self.memory.parameters["gradients"].get(f"{placed.name}/{name}")

    def scratch(self, kernel: str, window: Sequence[int]) -> Region:
        """Space to work in, as much as a kernel asks for (`conv2d_scratch`)."""
        size = self.ask_scratch_bytes(kernel, *window)
        if size < 0:  # more than an int32 holds
            raise BackendError(
                "A layer of this model is too large for a page's memory. Use fewer filters or "
                "units, or a smaller batch.",
                detail=f"{kernel}{tuple(window)}: {size}",
            )
        self.scratch_bytes = max(self.scratch_bytes, size)
        return Region(SCRATCH, self.memory.size, (-(-size // ITEM_BYTES),))


def learns(placed: PlacedLayer) -> bool:
    """Whether gradients change anything in it."""
    return any(parameter.is_trained for each in placed.walk() for parameter in each.parameters)
