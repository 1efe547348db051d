"""How gradients change parameters: plain functions from old tensors to new ones.

Nothing is updated in place: XNNPACK, under TF.js's wasm backend, caches packed weights by
tensor, so that a weight changed in place would train wrongly. What an optimizer remembers
is a dict of tensors, named `<parameter>/<what>`, that a checkpoint can save as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from backburner.core.training_settings import TrainingRecipe
    from backburner.engine.tensors import Tensor, Tensors

Parameters = Mapping[str, "Tensor"]
Updated = tuple[dict[str, "Tensor"], dict[str, "Tensor"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SGD:
    """Stochastic gradient descent, by default without momentum, in Keras's form.

    p = p - learning_rate g; with momentum it remembers a velocity:
    velocity = momentum velocity - learning_rate g;  p = p + velocity
    """

    learning_rate: float
    momentum: float = 0.0

    @property
    def slots(self) -> tuple[str, ...]:
        """What is remembered of each parameter."""
        return ("velocity",) if self.momentum > 0 else ()

    def step_arguments(self, step: int, factor: float = 1.0) -> tuple[float, ...]:
        """What `sgd` takes last at the `step`th step, counted from 1: how far it goes."""
        return (self.learning_rate * factor,)

    def update(
        self,
        tensors: Tensors,
        parameters: Parameters,
        gradients: Parameters,
        state: Parameters,
        step: int,
        factor: float = 1.0,
    ) -> Updated:
        """New parameters and, with momentum, new velocities."""
        updated: dict[str, Tensor] = {}
        remembered: dict[str, Tensor] = {}
        for name, value in parameters.items():
            move = tensors.multiply(gradients[name], self.learning_rate * factor)
            if self.momentum == 0:
                updated[name] = tensors.subtract(value, move)
                continue
            kept = tensors.multiply(state[f"{name}/velocity"], self.momentum)
            velocity = tensors.subtract(kept, move)
            updated[name] = tensors.add(value, velocity)
            remembered[f"{name}/velocity"] = velocity
        return updated, remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Adam:
    """Adam (Kingma & Ba 2015), in Keras's form: epsilon 1e-7 is added to sqrt(v).

    m = beta_1 m + (1 - beta_1) g;  v = beta_2 v + (1 - beta_2) g^2
    p = p - learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)
    """

    slots: ClassVar[tuple[str, ...]] = ("m", "v")
    learning_rate: float
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def rate(self, step: int, factor: float = 1.0) -> float:
        """The learning rate with both corrections of the `step`th step, counted from 1."""
        correction: float = (1 - self.beta_2**step) ** 0.5 / (1 - self.beta_1**step)
        return self.learning_rate * factor * correction

    def step_arguments(self, step: int, factor: float = 1.0) -> tuple[float, ...]:
        """What `adam` takes last at the `step`th step: the share every weight loses, the rate."""
        return 0.0, self.rate(step, factor)

    def update(
        self,
        tensors: Tensors,
        parameters: Parameters,
        gradients: Parameters,
        state: Parameters,
        step: int,
        factor: float = 1.0,
    ) -> Updated:
        """New parameters and new m and v; `step` counts from 1, `factor` is a schedule's."""
        rate = self.rate(step, factor)
        updated: dict[str, Tensor] = {}
        remembered: dict[str, Tensor] = {}
        for name, value in parameters.items():
            g = gradients[name]
            m = _blend(tensors, state[f"{name}/m"], g, self.beta_1)
            v = _blend(tensors, state[f"{name}/v"], tensors.square(g), self.beta_2)
            move = tensors.divide(m, tensors.add(tensors.sqrt(v), self.epsilon))
            updated[name] = tensors.subtract(value, tensors.multiply(move, rate))
            remembered[f"{name}/m"] = m
            remembered[f"{name}/v"] = v
        return updated, remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019), in Keras's form.

    p = p - learning_rate weight_decay p, of every parameter, biases included; then `adam`'s step,
    whose gradients know nothing of the decay.
    """

    adam: Adam
    weight_decay: float = 0.004

    @property
    def slots(self) -> tuple[str, ...]:
        return self.adam.slots

    def step_arguments(self, step: int, factor: float = 1.0) -> tuple[float, ...]:
        """As `adam`'s, with the share that the decay takes from every weight."""
        return self._share(factor), self.adam.rate(step, factor)

    def _share(self, factor: float) -> float:
        return self.adam.learning_rate * factor * self.weight_decay

    def update(
        self,
        tensors: Tensors,
        parameters: Parameters,
        gradients: Parameters,
        state: Parameters,
        step: int,
        factor: float = 1.0,
    ) -> Updated:
        """New parameters and new m and v; `step` counts from 1, `factor` is a schedule's."""
        decayed = {
            name: tensors.subtract(value, tensors.multiply(value, self._share(factor)))
            for name, value in parameters.items()
        }
        return self.adam.update(tensors, decayed, gradients, state, step, factor)


Optimizer = SGD | Adam | AdamW


def _blend(tensors: Tensors, old: Tensor, new: Tensor, share: float) -> Tensor:
    return tensors.add(tensors.multiply(old, share), tensors.multiply(new, 1 - share))


def optimizer_from_recipe(training: TrainingRecipe) -> Optimizer:
    match training.optimizer:
        case "sgd":
            return SGD(learning_rate=training.learning_rate, momentum=training.momentum)
        case "adam":
            return Adam(learning_rate=training.learning_rate)
        case "adamw":
            return AdamW(
                adam=Adam(learning_rate=training.learning_rate),
                weight_decay=training.weight_decay,
            )


def initial_state(
    tensors: Tensors, optimizer: Optimizer, parameters: Parameters
) -> dict[str, Tensor]:
    """Zeros, in the shape of each parameter.

    The tensors are kept; the caller disposes them. When one cannot be made, none is left.
    """
    with tensors.scope():
        state = {
            f"{name}/{slot}": tensors.multiply(value, 0.0)
            for name, value in parameters.items()
            for slot in optimizer.slots
        }
        for zeros in state.values():  # not before all are there: a failure leaves none
            tensors.keep(zeros)
    return state


def clip_by_global_norm(
    tensors: Tensors, gradients: Sequence[Tensor], limit: float
) -> list[Tensor]:
    """All gradients shortened together, so that their common length is at most `limit`.

    (Pascanu et al. 2013, "On the difficulty of training recurrent neural networks".)
    """
    squares = tensors.stack([tensors.sum(tensors.square(g)) for g in gradients])
    length = tensors.sqrt(tensors.sum(squares))
    scale = tensors.divide(limit, tensors.maximum(length, limit))
    return [tensors.multiply(g, scale) for g in gradients]
