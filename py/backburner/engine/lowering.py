"""Brings a layer list down to kernel calls: what is called, in which order, on which memory.

Owns the rules by which layers become calls; pure, so that a plan can be read and tested without a
browser. It must not know addresses: a call names regions (engine/layout.py), and whoever carries
it out (engine/plan.py) adds where the memory begins.

A step goes through three lists: `forward` ends at the logits, `backward` begins with the loss and
ends at the gradients, `update` changes the variables. Three things are saved on the way:

- An activation is part of the kernel before it, and a relu before a max pooling is read backwards
  together with that.
- The gradients of two neighbouring layers take turns in two regions, which stay in the cache.
- Below the first layer that learns, no gradient is computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from backburner.core.errors import BackendError
from backburner.core.layers import (
    Activation,
    AveragePooling2D,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    MaxPooling2D,
    Pooling2D,
)
from backburner.core.model import PlacedLayer
from backburner.engine.executor import Workload
from backburner.engine.layout import ITEM_BYTES, Memory, Region
from backburner.engine.optimizers import SGD, Adam, AdamW, Optimizer

Phase = Literal["input", "forward", "loss", "backward", "update", "answer"]

ACTIVATIONS: dict[Activation, int] = {"linear": 0, "relu": 1, "tanh": 2, "sigmoid": 3}
"""As workers/kernels/activations.c has them."""

_NO_BOUND = float("-inf")
_LEARNING = (Conv2D, Conv1D, Dense)
KNOWN_LAYERS = (
    Conv2D,
    Conv1D,
    Dense,
    MaxPooling2D,
    AveragePooling2D,
    GlobalAveragePooling2D,
    Dropout,
    Flatten,
)
"""What can be lowered; a model with any other layer trains on the tape."""


Argument: TypeAlias = Region | float | None
"""A region stands for its address; None is the address 0, which kernels read as "nothing"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One kernel call. `layer` is the layer's name, or what else it is for."""

    phase: Phase
    layer: str
    kernel: str
    arguments: tuple[Argument, ...]

    @property
    def regions(self) -> tuple[Region, ...]:
        """What it reads or writes, scratch space left out."""
        return tuple(
            each
            for each in self.arguments
            if isinstance(each, Region) and each.name != Memory.SCRATCH
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """A step's calls for one size of batch, and an answer's, which learns nothing.

    `rows` is how many answers the model gives for the batch: one for each example, or one for
    each position of each.
    """

    rows: int
    input: tuple[Call, ...]
    forward: tuple[Call, ...]
    loss: Call
    backward: tuple[Call, ...]
    infer: tuple[Call, ...]
    logits: Region
    scratch_bytes: int

    @property
    def step(self) -> tuple[Call, ...]:
        """All of a step but the update, in order."""
        return (*self.input, *self.forward, self.loss, *self.backward)


ScratchBytes: TypeAlias = Callable[..., int]
"""`(kernel, *window)`: how much scratch space it needs, as the kernel itself says."""


def lower(workload: Workload, memory: Memory, batch: int, scratch_bytes: ScratchBytes) -> Calls:
    """The calls for a batch of `batch` examples."""
    return _Lowering(workload, memory, batch, scratch_bytes).calls()


@dataclass
class _Lowering:
    workload: Workload
    memory: Memory
    batch: int
    ask_scratch_bytes: ScratchBytes
    scratch_bytes: int = 0
    emitted: list[Call] = field(default_factory=list)
    # Layers whose activation and bias were read backwards by the pooling after them.
    passed_back: set[str] = field(default_factory=set)

    def calls(self) -> Calls:
        logits = self.memory.outputs[-1]
        rows = self.batch * (self.workload.spec.positions or 1)
        classes = self.workload.spec.classes
        self.gather(rows)
        gathered = self.taken()
        self.forward(training=True)
        forward = self.taken()
        self.forward(training=False)
        infer = self.taken()
        memory, errors = self.memory, self.memory.errors[0]
        self.emit(
            "loss",
            "loss",
            "softmax_cross_entropy",
            logits.seen_as(rows, classes),
            memory.labels.seen_as(rows),
            errors.seen_as(rows, classes),
            memory.figures,
            rows,
            classes,
        )
        (loss,) = self.taken()
        self.backward()
        return Calls(
            rows=rows,
            input=gathered,
            forward=forward,
            loss=loss,
            backward=self.taken(),
            infer=infer,
            logits=logits.seen_as(rows, classes),
            scratch_bytes=self.scratch_bytes,
        )

    def taken(self) -> tuple[Call, ...]:
        """What was emitted since the last time."""
        taken = tuple(self.emitted)
        self.emitted.clear()
        return taken

    def emit(self, phase: Phase, layer: str, kernel: str, *arguments: Argument) -> None:
        self.emitted.append(Call(phase=phase, layer=layer, kernel=kernel, arguments=arguments))

    def of_batch(self, region: Region) -> Region:
        return region.seen_as(self.batch, *region.shape[1:])

    def scratch(self, kernel: str, window: Sequence[int]) -> Region:
        size = self.ask_scratch_bytes(kernel, *window)
        if size < 0:  # more than an int32 holds
            raise BackendError(
                "A layer of this model is too large for a page's memory. Use fewer filters or "
                "units, or a smaller batch.",
                detail=f"{kernel}{tuple(window)}: {size}",
            )
        self.scratch_bytes = max(self.scratch_bytes, size)
        return Region(Memory.SCRATCH, self.memory.size, (-(-size // ITEM_BYTES),))

    def parameter(self, placed: PlacedLayer, name: str, block: str = "variables") -> Region:
        return self.memory.parameters[block][f"{placed.name}/{name}"]

    # --- forward -----------------------------------------------------------------------

    def gather(self, rows: int) -> None:
        memory, dataset = self.memory, self.workload.dataset
        indexes, inputs = memory.indexes.seen_as(self.batch), self.of_batch(memory.inputs)
        length = math.prod(dataset.shape)
        of_bytes = dataset.dtype == "uint8"
        self.emit(
            "input",
            "examples",
            "gather_bytes" if of_bytes else "gather",
            *(memory.table, indexes, inputs, self.batch, length),
            *((dataset.scale,) if of_bytes else ()),
        )
        labels, per_example = memory.labels.seen_as(rows), memory.table_labels.shape[1]
        wanted = (memory.table_labels, indexes, labels, self.batch, per_example)
        self.emit("input", "labels", "gather", *wanted)

    def input_of(self, index: int) -> Region:
        region = self.memory.outputs[index - 1] if index else self.memory.inputs
        return self.of_batch(region)

    def forward(self, *, training: bool) -> None:
        for index, placed in enumerate(self.workload.spec.layers):
            self.layer_forward(index, placed, training=training)

    def layer_forward(self, index: int, placed: PlacedLayer, *, training: bool) -> None:
        x, y = self.input_of(index), self.of_batch(self.memory.outputs[index])
        match placed.layer:
            case Conv2D() | Conv1D() | Dense():
                self.weighted_sum(placed, x, y)
            case MaxPooling2D():
                self.emit("forward", placed.name, "max_pool", x, y, *self.window(placed))
            case AveragePooling2D() | GlobalAveragePooling2D():
                self.emit("forward", placed.name, "average_pool", x, y, *self.window(placed))
            case Dropout():
                self.dropout(placed, x, y, training=training)
            case Flatten():
                pass  # the same numbers in the same place
            case _:
                raise NotImplementedError(placed.layer.type)

    def weighted_sum(self, placed: PlacedLayer, x: Region, y: Region) -> None:
        assert isinstance(placed.layer, _LEARNING)
        window, activation = self.window(placed), placed.layer.activation
        kernel, bias = self.parameter(placed, "kernel"), self.parameter(placed, "bias")
        lowest = _lowest(activation)
        scratch = self.scratch("conv2d_scratch", window)
        self.emit("forward", placed.name, "conv2d", x, kernel, bias, y, lowest, scratch, *window)
        if activation not in ("linear", "relu"):
            number = ACTIVATIONS[activation]
            self.emit("forward", placed.name, "activate", y, y, y.count, number)

    def dropout(self, placed: PlacedLayer, x: Region, y: Region, *, training: bool) -> None:
        """In an answer nothing is dropped, and nothing changes the scale."""
        assert isinstance(placed.layer, Dropout)
        bits, rate = x, 0.0
        if training and placed.layer.rate > 0:
            bits, rate = self.memory.bits[placed.name].seen_as(*y.shape), placed.layer.rate
            seed = self.memory.seeds[placed.name]
            self.emit("forward", placed.name, "random_bits", seed, bits, bits.count)
        self.emit("forward", placed.name, "dropout", x, bits, y, y.count, *_drop(rate))

    # --- backward ----------------------------------------------------------------------

    def backward(self) -> None:
        layers = self.workload.spec.layers
        first = next(i for i, placed in enumerate(layers) if placed.parameters)
        here = 0
        for index in range(len(layers) - 1, first - 1, -1):
            placed = layers[index]
            y, x = self.of_batch(self.memory.outputs[index]), self.input_of(index)
            dy = self.memory.errors[here].seen_as(*y.shape)
            dx = self.memory.errors[1 - here].seen_as(*x.shape)
            match placed.layer:
                case Conv2D() | Conv1D() | Dense():
                    self.weighted_sum_gradients(placed, x, y, dy, dx if index > first else None)
                case MaxPooling2D():
                    self.max_pool_gradient(index, placed, x, y, dy, dx)
                case AveragePooling2D() | GlobalAveragePooling2D():
                    window = self.window(placed)
                    self.emit("backward", placed.name, "average_pool_gradient", dy, dx, *window)
                case Dropout(rate=rate):
                    if rate > 0:
                        bits = self.memory.bits[placed.name].seen_as(*y.shape)
                        self.emit(
                            "backward", placed.name, "dropout", dy, bits, dy, y.count, *_drop(rate)
                        )
                    continue
                case Flatten():
                    continue
            here = 1 - here

    def weighted_sum_gradients(
        self, placed: PlacedLayer, x: Region, y: Region, dy: Region, dx: Region | None
    ) -> None:
        assert isinstance(placed.layer, _LEARNING)
        window = self.window(placed)
        if placed.name not in self.passed_back:
            bias = self.parameter(placed, "bias", "gradients")
            activation = ACTIVATIONS[placed.layer.activation]
            columns = y.shape[-1]
            rows = y.count // columns
            self.emit(
                "backward",
                placed.name,
                "activation_gradient",
                dy,
                y,
                bias,
                rows,
                columns,
                activation,
            )
        kernel = self.parameter(placed, "kernel")
        gradient = self.parameter(placed, "kernel", "gradients")
        scratch = self.scratch("conv2d_gradients_scratch", window)
        self.emit(
            "backward",
            placed.name,
            "conv2d_gradients",
            x,
            kernel,
            dy,
            dx,
            gradient,
            scratch,
            *window,
        )

    def max_pool_gradient(
        self, index: int, placed: PlacedLayer, x: Region, y: Region, dy: Region, dx: Region
    ) -> None:
        before = self.workload.spec.layers[index - 1] if index else None
        bias: Region | None = None
        lowest = _NO_BOUND
        if before is not None and isinstance(before.layer, Conv2D):
            activation = before.layer.activation
            if activation in ("linear", "relu"):
                bias = self.parameter(before, "bias", "gradients")
                lowest = _lowest(activation)
                self.passed_back.add(before.name)
        window = self.window(placed)
        self.emit("backward", placed.name, "max_pool_gradient", x, y, dy, dx, bias, lowest, *window)

    # --- windows -----------------------------------------------------------------------

    def window(self, placed: PlacedLayer) -> tuple[int, ...]:
        """The arguments that every kernel with a window takes last (workers/kernels/kernels.h)."""
        shape, out = placed.input_shape, placed.output_shape
        match placed.layer:
            case Dense(units=units):
                rows = self.batch * math.prod(shape[:-1])
                return 1, 1, rows, shape[-1], units, 1, 1, 1, 1, 1, 1, 0, 0, 1, rows
            case Conv1D(kernel_size=size, strides=stride, dilation_rate=spread) as layer:
                (positions, channels), (places, filters) = shape, out
                before, _ = layer.sides(positions)
                return (
                    *(self.batch, 1, positions, channels, filters, 1, size, 1, stride),
                    *(1, spread, 0, before, 1, places),
                )
            case Conv2D(kernel_size=size, strides=strides, padding=padding) as conv:
                reach, dilation = conv.window, conv.dilation_rate
            case Pooling2D(pool_size=size, step=strides, padding=padding):
                reach, dilation = size, (1, 1)
            case GlobalAveragePooling2D():
                height, width, channels = shape
                return (
                    *(self.batch, height, width, channels, channels, height, width),
                    *(1, 1, 1, 1, 0, 0, 1, 1),
                )
            case _:
                raise NotImplementedError(placed.layer.type)
        height, width, channels = shape
        down, across, outputs = out
        top = _before(padding, height, down, strides[0], reach[0])
        left = _before(padding, width, across, strides[1], reach[1])
        return (
            *(self.batch, height, width, channels, outputs, *size, *strides),
            *(*dilation, top, left, down, across),
        )


def _lowest(activation: Activation) -> float:
    """What bounds the numbers of a kernel from below that has a relu in it, or none."""
    return 0.0 if activation == "relu" else _NO_BOUND


def _before(padding: str, length: int, places: int, stride: int, reach: int) -> int:
    """How much is padded above, or on the left (TensorFlow's rule: the odd one goes behind)."""
    return max(0, (places - 1) * stride + reach - length) // 2 if padding == "same" else 0


def _drop(rate: float) -> tuple[float, float]:
    """Threshold and scale (see engine/layers.py); at a rate of 0 everything stays."""
    return ((rate - 0.5) * 2**32 if rate else _NO_BOUND), 1 / (1 - rate)


def lower_update(memory: Memory, optimizer: Optimizer, clip_norm: float | None) -> tuple[Call, ...]:
    """The calls that change the variables; the last one still wants the step's `optimizer.rate`."""
    calls: list[Call] = []
    variables, gradients = memory.blocks["variables"], memory.blocks["gradients"]
    if clip_norm is not None:
        calls.append(
            Call(
                phase="update",
                layer="clipping",
                kernel="clip_by_global_norm",
                arguments=(gradients, gradients.count, clip_norm),
            )
        )
    kernel, arguments = _optimizer_call(memory, optimizer, variables, gradients)
    calls.append(Call(phase="update", layer="optimizer", kernel=kernel, arguments=arguments))
    return tuple(calls)


def _optimizer_call(
    memory: Memory, optimizer: Optimizer, variables: Region, gradients: Region
) -> tuple[str, tuple[Argument, ...]]:
    match optimizer:
        case SGD(momentum=momentum):
            velocity = memory.blocks.get("velocity")
            return "sgd", (variables, gradients, velocity, variables.count, momentum)
        case Adam() as adam:
            decay = 0.0
        case AdamW(adam=adam, weight_decay=weight_decay):
            decay = adam.learning_rate * weight_decay
    moments = memory.blocks["m"], memory.blocks["v"]
    return "adam", (
        *(variables, gradients, *moments, variables.count),
        *(adam.beta_1, 1 - adam.beta_1, adam.beta_2, 1 - adam.beta_2, adam.epsilon, decay),
    )
