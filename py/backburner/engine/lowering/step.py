"""Brings a layer list down to kernel calls: what is called, in which order, on which memory.

Owns how a step goes; pure, so that a plan can be read and tested without a browser. It must not
know addresses: a call names regions (engine/layout.py), and whoever carries it out
(engine/plan.py) adds where the memory begins. What a layer becomes is its rule's
(lowering/layers.py).

A step goes through three lists: `forward` ends at the logits, `backward` begins with the loss and
ends at the gradients, `update` changes the variables. Three things are saved on the way:

- An activation is part of the kernel before it, and a relu before a max pooling is read backwards
  together with that.
- The gradients of two neighbouring layers take turns in two regions, which stay in the cache.
- Below the first layer that learns, no gradient is computed.
"""

from __future__ import annotations

import math

from backburner.engine.executor import Workload
from backburner.engine.layout import Memory
from backburner.engine.lowering.calls import Argument, Call, Calls
from backburner.engine.lowering.layers import RULES
from backburner.engine.lowering.rule import Errors, Lowering, ScratchBytes
from backburner.engine.optimizers import SGD, Adam, AdamW, Optimizer
from backburner.engine.regions import Region


def lower(workload: Workload, memory: Memory, batch: int, scratch_bytes: ScratchBytes) -> Calls:
    """The calls for a batch of `batch` examples."""
    lowering = Lowering(memory, RULES, batch, scratch_bytes)
    spec = workload.spec
    rows = batch * (spec.positions or 1)
    logits = memory.logits.seen_as(rows, spec.classes)
    lowering.phase = "input"
    _gather(lowering, workload, memory.originals, rows)
    _augment(lowering, workload)
    examples = lowering.taken()
    _gather(lowering, workload, memory.inputs, rows)
    gathered = lowering.taken()
    lowering.phase = "forward"
    lowering.forward(spec.layers, training=True)
    forward = lowering.taken()
    lowering.forward(spec.layers, training=False)
    infer = lowering.taken()
    lowering.phase = "loss"
    errors = Errors(memory.errors)
    lowering.emit(
        "loss",
        "softmax_cross_entropy",
        logits,
        memory.labels.seen_as(rows),
        memory.class_weights,
        errors.here(logits.shape),
        memory.figures,
        *logits.shape,
    )
    (loss,) = lowering.taken()
    lowering.phase = "backward"
    lowering.backward(spec.layers, errors, wanted=False)
    return Calls(
        rows=rows,
        examples=examples,
        input=gathered,
        forward=forward,
        loss=loss,
        backward=lowering.taken(),
        infer=infer,
        logits=logits,
        scratch_bytes=lowering.scratch_bytes,
    )


def _gather(lowering: Lowering, workload: Workload, to: Region, rows: int) -> None:
    """A batch's examples and labels, out of the data."""
    memory, dataset, batch = lowering.memory, workload.dataset, lowering.batch
    indexes, inputs = memory.indexes.seen_as(batch), lowering.of_batch(to)
    wanted: tuple[Argument, ...] = memory.table, indexes, inputs, batch, math.prod(dataset.shape)
    if dataset.dtype == "uint8":
        lowering.emit("examples", "gather_bytes", *wanted, dataset.scale)
    else:
        lowering.emit("examples", "gather", *wanted)
    labels, per_example = memory.labels.seen_as(rows), memory.table_labels.shape[1]
    lowering.emit("labels", "gather", memory.table_labels, indexes, labels, batch, per_example)


def _augment(lowering: Lowering, workload: Workload) -> None:
    """The step's examples as they are varied: moved from where they were gathered, or noisy."""
    memory, varied = lowering.memory, workload.augmentation
    inputs = lowering.of_batch(memory.inputs)
    if memory.coefficients is not None:
        of_each = lowering.of_batch(memory.coefficients)
        originals = lowering.of_batch(memory.originals)
        lowering.emit("augmentation", "transform", originals, of_each, inputs, *inputs.shape)
    if varied is not None and memory.noise_bits is not None:
        bits = lowering.of_batch(memory.noise_bits)
        lowering.emit("noise", "random_bits", memory.noise_seed, bits, bits.count)
        lowering.emit("noise", "add_noise", inputs, bits, inputs.count, varied.noise)


def lower_update(memory: Memory, workload: Workload) -> tuple[Call, ...]:
    """The calls that change the variables; the last wants `optimizer.step_arguments` as well."""
    lowering = Lowering(memory, RULES, workload.batch_size, lambda kernel, *window: 0, "update")
    for placed in workload.spec.walk():
        lowering.rule(placed).update(lowering, placed)
    variables, gradients = memory.blocks["variables"], memory.blocks["gradients"]
    if workload.l2 is not None:
        for name in workload.regularized():
            gradient = memory.parameters["gradients"][name]
            variable = memory.parameters["variables"][name]
            scale = 2 * workload.l2
            lowering.emit("regularizer", "add", gradient, variable, gradient, gradient.count, scale)
    if workload.clip_norm is not None:
        most = workload.clip_norm
        lowering.emit("clipping", "clip_by_global_norm", gradients, gradients.count, most)
    kernel, arguments = _optimizer_call(memory, workload.optimizer, variables, gradients)
    lowering.emit("optimizer", kernel, *arguments)
    return lowering.taken()


def _optimizer_call(
    memory: Memory, optimizer: Optimizer, variables: Region, gradients: Region
) -> tuple[str, tuple[Argument, ...]]:
    match optimizer:
        case SGD(momentum=momentum):
            velocity = memory.blocks.get("velocity")
            return "sgd", (variables, gradients, velocity, variables.count, momentum)
        case (Adam() as adam) | AdamW(adam=adam):
            moments = memory.blocks["m"], memory.blocks["v"]
            return "adam", (
                *(variables, gradients, *moments, variables.count),
                *(adam.beta_1, 1 - adam.beta_1, adam.beta_2, 1 - adam.beta_2, adam.epsilon),
            )
