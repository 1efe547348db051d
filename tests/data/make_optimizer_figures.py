"""Makes optimizer_figures.json: what PyTorch makes of a small network under each training setting.

    python tests/data/make_optimizer_figures.py

To be run where PyTorch is installed (the project itself does not need it), and only when a case is
added; its results are stored with PyTorch's version. tests/engine/test_optimizer_figures.py holds
ours against them.

A convolution of two filters and a dense layer learn eighteen pictures of noise in three classes,
twelve steps of six pictures; the first weights, the pictures and the order of the batches are drawn
here and stored. Everything is computed in float64, so the figures are exact where ours are rounded.
Each case is written twice: as a recipe's `training`, and with PyTorch's own classes.

Where the two libraries, PyTorch and Keras (whose forms are ours), differ:

- Adam's epsilon. Keras adds it to sqrt(v), PyTorch to sqrt(v / (1 - beta_2^t)); so here PyTorch is
  given 1e-7 / sqrt(1 - beta_2^t) at the t-th step, which is the same, for any gradients.
- Momentum. Keras keeps learning rate x gradient, PyTorch the gradient alone. That is the same as
  long as the learning rate stays, so no case has both momentum and a schedule.
- AdamW. Both first take learning rate x weight_decay of each weight away, at the scheduled rate,
  biases included, and then do Adam's step.
- Clipping. PyTorch divides by the length + 1e-6, Keras by the length: a millionth of difference.
- L2. Keras's regularizer l2 has the gradient 2 l2 w; PyTorch's weight_decay of SGD and Adam is
  added to the gradient as it is, so here it is 2 l2, in a group without the biases. Beside
  clipping and in AdamW, whose weight_decay is another thing, the sum of squares is added to the
  loss itself, as Keras does: so the regularizer's part is clipped, too.
- Class weights. PyTorch's own mean divides by the weights' sum, Keras by the number of examples; so
  here PyTorch is asked for the sum.
- Warm-up. PyTorch's LinearLR from 1/n to 1 over n - 1 steps, followed by the schedule.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from torch.optim import lr_scheduler

SIDE, CLASSES, COUNT, BATCH, STEPS = 5, 3, 18, 6, 12
FILTERS, KERNEL = 2, 3
WARMUP = 4
EPSILON, BETA_2 = 1e-7, 0.999
SHAPES: dict[str, tuple[int, ...]] = {
    "conv2d_1/kernel": (KERNEL, KERNEL, 1, FILTERS),
    "conv2d_1/bias": (FILTERS,),
    "dense_1/kernel": ((SIDE - KERNEL + 1) ** 2 * FILTERS, CLASSES),
    "dense_1/bias": (CLASSES,),
}
Weights = dict[str, torch.Tensor]


def groups(weights: Weights, decay: float) -> list[dict[str, Any]]:
    """Kernels with the decay, biases without."""
    return [
        {"params": [value], "weight_decay": decay if name.endswith("kernel") else 0.0}
        for name, value in weights.items()
    ]


def warm(optimizer: Any, after: Any) -> Any:
    first = lr_scheduler.LinearLR(optimizer, 1 / WARMUP, 1.0, total_iters=WARMUP - 1)
    return lr_scheduler.SequentialLR(optimizer, [first, after], milestones=[WARMUP])


def sgd(rate: float, decay: float = 0.0, **options: Any) -> Callable[[Weights], Any]:
    return lambda weights: torch.optim.SGD(groups(weights, decay), lr=rate, **options)


def adam(rate: float, decay: float = 0.0) -> Callable[[Weights], Any]:
    return lambda weights: torch.optim.Adam(groups(weights, decay), lr=rate)


def adamw(rate: float, decay: float) -> Callable[[Weights], Any]:
    return lambda weights: torch.optim.AdamW(weights.values(), lr=rate, weight_decay=decay)


def cosine(steps: int) -> Callable[[Any], Any]:
    return lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)


def warm_linear(optimizer: Any) -> Any:
    after = lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=STEPS - WARMUP)
    return warm(optimizer, after)


def warm_cosine(optimizer: Any) -> Any:
    return warm(optimizer, cosine(STEPS - WARMUP)(optimizer))


# A recipe's training, and the same in PyTorch: optimizer, scheduler, clip, l2 in the loss, weights.
CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"optimizer": "sgd", "learning_rate": 0.1}, {"optimizer": sgd(0.1)}),
    (
        {"optimizer": "sgd", "learning_rate": 0.05, "momentum": 0.9},
        {"optimizer": sgd(0.05, momentum=0.9)},
    ),
    ({"optimizer": "adam", "learning_rate": 0.01}, {"optimizer": adam(0.01)}),
    (
        {"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.1},
        {"optimizer": adamw(0.01, 0.1)},
    ),
    (
        {"optimizer": "sgd", "learning_rate": 0.1, "clip_norm": 0.2},
        {"optimizer": sgd(0.1), "clip": 0.2},
    ),
    (
        {"optimizer": "adam", "learning_rate": 0.01, "clip_norm": 0.2},
        {"optimizer": adam(0.01), "clip": 0.2},
    ),
    ({"optimizer": "sgd", "learning_rate": 0.1, "l2": 0.02}, {"optimizer": sgd(0.1, 0.04)}),
    (
        {"optimizer": "sgd", "learning_rate": 0.05, "momentum": 0.9, "l2": 0.02},
        {"optimizer": sgd(0.05, 0.04, momentum=0.9)},
    ),
    ({"optimizer": "adam", "learning_rate": 0.01, "l2": 0.02}, {"optimizer": adam(0.01, 0.04)}),
    (
        {"optimizer": "sgd", "learning_rate": 0.1, "l2": 0.02, "clip_norm": 0.2},
        {"optimizer": sgd(0.1), "l2": 0.02, "clip": 0.2},
    ),
    (
        {"optimizer": "adam", "learning_rate": 0.02, "schedule": {"name": "cosine"}},
        {"optimizer": adam(0.02), "schedule": cosine(STEPS)},
    ),
    (
        {
            "optimizer": "sgd",
            "learning_rate": 0.2,
            "schedule": {"name": "step", "decay_rate": 0.5, "decay_steps": 4},
        },
        {"optimizer": sgd(0.2), "schedule": lambda it: lr_scheduler.StepLR(it, 4, gamma=0.5)},
    ),
    (
        {
            "optimizer": "adam",
            "learning_rate": 0.02,
            "schedule": {"name": "exponential", "decay_rate": 0.5, "decay_steps": 5},
        },
        {
            "optimizer": adam(0.02),
            "schedule": lambda it: lr_scheduler.ExponentialLR(it, gamma=0.5 ** (1 / 5)),
        },
    ),
    (
        {
            "optimizer": "sgd",
            "learning_rate": 0.2,
            "schedule": {"name": "linear", "warmup_steps": WARMUP, "end_factor": 0.1},
        },
        {"optimizer": sgd(0.2), "schedule": warm_linear},
    ),
    (
        {
            "optimizer": "adamw",
            "learning_rate": 0.02,
            "weight_decay": 0.1,
            "schedule": {"name": "cosine", "warmup_steps": WARMUP},
        },
        {"optimizer": adamw(0.02, 0.1), "schedule": warm_cosine},
    ),
    (
        {"optimizer": "adam", "learning_rate": 0.01, "class_weights": [0.5, 1, 3]},
        {"optimizer": adam(0.01), "class_weights": [0.5, 1.0, 3.0]},
    ),
    (
        {
            "optimizer": "adamw",
            "learning_rate": 0.02,
            "weight_decay": 0.1,
            "l2": 0.02,
            "clip_norm": 0.3,
            "schedule": {"name": "cosine", "warmup_steps": WARMUP},
            "class_weights": [0.5, 1, 3],
        },
        {
            "optimizer": adamw(0.02, 0.1),
            "schedule": warm_cosine,
            "clip": 0.3,
            "l2": 0.02,
            "class_weights": [0.5, 1.0, 3.0],
        },
    ),
]


def problem() -> dict[str, Any]:
    drawn = random.Random(7)
    return {
        "inputs": [
            [[round(drawn.random(), 3) for _ in range(SIDE)] for _ in range(SIDE)]
            for _ in range(COUNT)
        ],
        "labels": [at % CLASSES for at in range(COUNT)],
        "batches": [drawn.sample(range(COUNT), BATCH) for _ in range(STEPS)],
        "weights": {
            name: [
                round(drawn.uniform(-0.5, 0.5), 4) for _ in range(int(torch.Size(shape).numel()))
            ]
            for name, shape in SHAPES.items()
        },
    }


def logits(weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """Of pictures [batch, 1, height, width]; weights and the flattening are in Keras's order."""
    kernel = weights["conv2d_1/kernel"].permute(3, 2, 0, 1)
    found = functional.relu(functional.conv2d(x, kernel, weights["conv2d_1/bias"]))
    flat = found.permute(0, 2, 3, 1).flatten(1)
    return flat @ weights["dense_1/kernel"] + weights["dense_1/bias"]


def train(given: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    weights = {
        name: torch.tensor(given["weights"][name]).reshape(shape).requires_grad_()
        for name, shape in SHAPES.items()
    }
    optimizer = case["optimizer"](weights)
    scheduler = case["schedule"](optimizer) if "schedule" in case else None
    heavy = torch.tensor(case.get("class_weights", [1.0] * CLASSES))
    inputs = torch.tensor(given["inputs"]).unsqueeze(1)
    labels = torch.tensor(given["labels"])
    losses = []
    for step, batch in enumerate(given["batches"], 1):
        for group in optimizer.param_groups:
            if "betas" in group:
                group["eps"] = EPSILON / (1 - BETA_2**step) ** 0.5
        optimizer.zero_grad()
        found = logits(weights, inputs[batch])
        loss = functional.cross_entropy(found, labels[batch], heavy, reduction="sum") / BATCH
        losses.append(loss.item())
        kernels = [value for name, value in weights.items() if name.endswith("kernel")]
        penalty = case.get("l2", 0.0) * sum((value**2).sum() for value in kernels)
        (loss + penalty).backward()
        if "clip" in case:
            torch.nn.utils.clip_grad_norm_(weights.values(), case["clip"])
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    after = {name: value.detach().flatten().tolist() for name, value in weights.items()}
    return {
        "losses": [round(loss, 9) for loss in losses],
        "weights": {name: [round(w, 9) for w in values] for name, values in after.items()},
    }


def main() -> None:
    torch.set_default_dtype(torch.float64)
    given = problem()
    figures = {
        "torch": torch.__version__,
        **given,
        "cases": [{"training": ours, **train(given, theirs)} for ours, theirs in CASES],
    }
    target = Path(__file__).with_name("optimizer_figures.json")
    target.write_text(_as_lines(figures), encoding="utf-8")


def _as_lines(figures: dict[str, Any]) -> str:
    """JSON with a line for each part and each case."""
    parts = [f'"{key}": {json.dumps(value)}' for key, value in figures.items() if key != "cases"]
    cases = ",\n".join(json.dumps(case) for case in figures["cases"])
    return "{\n" + ",\n".join(parts) + ',\n"cases": [\n' + cases + "\n]}\n"


if __name__ == "__main__":
    main()
