"""PyTorch as a peer: a process that trains a workload when it is told to, and sleeps meanwhile.

`python -m backburner_site.bench.pytorch THREADS WAYS` reads one JSON line for each order and writes
one for each answer; between two orders it blocks on standard input and takes no processor time.

    {"versions": true}       -> {"torch": "2.13.0"}
    {"workload": {...}}      -> {"ways": ["contiguous, default", ...], "threads": 2}
    {"round_ms": 600}        -> {"ms_per_step": 6.1, "way": "contiguous, default", "ways_ms": {...}}

Each model is written as PyTorch's own users would write it, not as ours computes it: NCHW, its
own layers, `F.cross_entropy`, `torch.optim.Adam`. WAYS is "plain" for what one gets who asks for
nothing special, or "all": then each round tries several memory formats and optimizers, and the
fastest counts (to choose one beforehand would let a moment's noise decide for the whole run).
"""

import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import cycle
from statistics import median
from typing import Any

# PyTorch warns where NumPy is missing, which nothing here needs.
warnings.filterwarnings("ignore", "Failed to initialize NumPy", UserWarning)

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

WARMUP_MS = 100.0
BATCHES = 8
ACTIVATIONS: dict[str, Callable[[], Any]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
Step = Callable[[], None]


class Causal(nn.Conv1d):  # type: ignore[misc]
    """A convolution over time [batch, channels, positions] that sees nothing of the future."""

    def forward(self, x: Any) -> Any:
        past = (self.kernel_size[0] - 1) * self.dilation[0]
        return super().forward(functional.pad(x, (past, 0)))


def build(workload: dict[str, Any]) -> Any:
    """The workload's model, as modules of PyTorch's own. Raises ValueError for unknown layers."""
    shape = list(workload["input"])
    is_sequence = len(shape) == 2
    channels = shape[-1]
    x = torch.zeros(1, channels, *shape[:-1])
    modules: list[Any] = []
    for layer in workload["layers"]:
        for module in _modules(layer, x.shape[1], is_sequence=is_sequence):
            modules.append(module)
            x = module(x)
    return nn.Sequential(*modules)


def _modules(layer: dict[str, Any], channels: int, *, is_sequence: bool) -> Iterator[Any]:
    match layer["type"]:
        case "conv2d":
            yield nn.Conv2d(
                channels,
                layer["filters"],
                layer["kernel_size"],
                padding=layer.get("padding", "valid"),
            )
        case "conv1d" if layer.get("padding") == "causal":
            yield Causal(
                channels,
                layer["filters"],
                layer["kernel_size"],
                dilation=layer.get("dilation_rate", 1),
            )
        case "max_pooling2d":
            yield nn.MaxPool2d(layer["pool_size"])
        case "flatten":
            yield nn.Flatten()
        case "dense" if is_sequence:
            yield nn.Conv1d(channels, layer["units"], 1)
        case "dense":
            yield nn.Linear(channels, layer["units"])
        case other:
            raise ValueError(f"the PyTorch peer has no layer {other!r}")
    activation = layer.get("activation", "linear")
    if activation != "linear":
        yield ACTIVATIONS[activation]()


def ways(workload: dict[str, Any], *, plain: bool) -> dict[str, Step]:
    """{name: one training step}, for every way worth trying, the plain one first."""
    is_image = len(workload["input"]) == 3
    formats = {"contiguous": torch.contiguous_format}
    if is_image and not plain:
        formats["channels_last"] = torch.channels_last
    optimizers = {"default": False} if plain else {"default": False, "fused": True}
    return {
        f"{layout}, {optimizer}": training_step(workload, memory_format, fused)
        for layout, memory_format in formats.items()
        for optimizer, fused in optimizers.items()
    }


def training_step(workload: dict[str, Any], memory_format: Any, fused: bool) -> Step:
    """One step on the next of a few batches that are there already. Raises ValueError."""
    if workload["optimizer"] != "adam":
        raise ValueError(f"the PyTorch peer has no optimizer {workload['optimizer']!r}")
    torch.manual_seed(7)
    model = build(workload).to(memory_format=memory_format)
    optimizer = torch.optim.Adam(model.parameters(), fused=fused or None)
    *places, channels = workload["input"]
    size = workload["batch_size"]
    answers = model(torch.zeros(1, channels, *places))
    batches = []
    for _ in range(BATCHES):
        inputs = torch.rand(size, channels, *places).contiguous(memory_format=memory_format)
        batches.append((inputs, torch.randint(answers.shape[1], (size, *answers.shape[2:]))))
    following = cycle(batches)

    def step() -> None:
        inputs, targets = next(following)
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()

    return step


def measure(step: Step, round_ms: float) -> list[float]:
    """Milliseconds of each step, for as long as that; of one step at least."""
    took: list[float] = []
    ends = time.perf_counter() + round_ms / 1_000
    while not took or time.perf_counter() < ends:
        began = time.perf_counter()
        step()
        took.append((time.perf_counter() - began) * 1_000)
    return took


class Peer:
    """Answers orders; remembers the ways of the latest workload."""

    def __init__(self, *, plain: bool) -> None:
        self._plain = plain
        self._ways: dict[str, Step] = {}

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        if "versions" in order:
            return {"torch": torch.__version__}
        if "workload" in order:
            try:
                self._ways = ways(order["workload"], plain=self._plain)
            except ValueError as error:
                return {"problem": str(error)}
            for step in self._ways.values():
                measure(step, WARMUP_MS)
            return {"ways": list(self._ways), "threads": torch.get_num_threads()}
        assert self._ways, "a round before any workload"
        # Half a round for each: all of them are to have their chance, not one of them a quarter.
        took_ms = {
            way: median(measure(step, order["round_ms"] / 2)) for way, step in self._ways.items()
        }
        best = min(took_ms, key=took_ms.__getitem__)
        return {"ms_per_step": took_ms[best], "way": best, "ways_ms": took_ms}


def main(threads: int, plain: bool) -> None:
    """Answers until standard input ends."""
    torch.set_num_threads(threads)
    peer = Peer(plain=plain)
    for line in sys.stdin:
        print(json.dumps(peer.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] == "plain")
