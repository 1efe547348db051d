"""What `bench` trains: one table, for our side, for every peer, and for docs/BENCH.md.

Each workload is what the page's hook takes (`window.backburner.bench`), so that nobody measures
anything else. The loss is softmax cross-entropy over the last layer's units, for a sequence at
every position; the numbers are random, for their values cost nothing.
"""

from dataclasses import dataclass, field
from typing import Any

Layer = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One model, its batch and its optimizer. `input` is the shape of one example.

    `left_out`: {peer: why it is not measured here}.
    """

    name: str
    title: str
    input: tuple[int, ...]
    layers: tuple[Layer, ...]
    batch_size: int
    optimizer: str = "adam"
    left_out: dict[str, str] = field(default_factory=dict)

    def as_request(self) -> dict[str, Any]:
        """The hook's first argument; also what a peer's process is given."""
        return {
            "input": list(self.input),
            "layers": list(self.layers),
            "batch_size": self.batch_size,
            "optimizer": self.optimizer,
        }


def _conv2d(filters: int, padding: str = "valid") -> Layer:
    return {
        "type": "conv2d",
        "filters": filters,
        "kernel_size": 3,
        "padding": padding,
        "activation": "relu",
    }


def _causal(dilation_rate: int) -> Layer:
    return {
        "type": "conv1d",
        "filters": 64,
        "kernel_size": 3,
        "padding": "causal",
        "dilation_rate": dilation_rate,
        "activation": "relu",
    }


def _dense(units: int, activation: str = "linear") -> Layer:
    return {"type": "dense", "units": units, "activation": activation}


_POOL: Layer = {"type": "max_pooling2d", "pool_size": 2}
_FLATTEN: Layer = {"type": "flatten"}

_SMALL = (
    _conv2d(8),
    _POOL,
    _conv2d(16),
    _POOL,
    _FLATTEN,
    _dense(64, "relu"),
    _dense(10),
)
_TOO_SLOW = {"tfjs-cpu": "too slow: a step takes tens of seconds"}

WORKLOADS = (
    Workload(
        name="W1",
        title="a small convnet on 28×28 pixels, batch 32",
        input=(28, 28, 1),
        layers=_SMALL,
        batch_size=32,
    ),
    Workload(
        name="W2",
        title="the same, batch 128",
        input=(28, 28, 1),
        layers=_SMALL,
        batch_size=128,
    ),
    Workload(
        name="W3",
        title="two convolutions on 8×8 pixels, batch 32",
        input=(8, 8, 1),
        layers=(_conv2d(16), _conv2d(32), _FLATTEN, _dense(10)),
        batch_size=32,
    ),
    Workload(
        name="W4",
        title="a deeper convnet on 32×32 pixels in colour, batch 32",
        input=(32, 32, 3),
        layers=(
            _conv2d(32, "same"),
            _conv2d(32, "same"),
            _POOL,
            _conv2d(64, "same"),
            _conv2d(64, "same"),
            _POOL,
            _FLATTEN,
            _dense(128, "relu"),
            _dense(10),
        ),
        batch_size=32,
        left_out=_TOO_SLOW,
    ),
    Workload(
        name="W5",
        title="a character model: 64 symbols, 64 positions, batch 32",
        input=(64, 64),
        layers=(_causal(1), _causal(2), _causal(4), _dense(64)),
        batch_size=32,
    ),
)


def chosen(names: str) -> tuple[Workload, ...]:
    """`W1,W4` as workloads, in the table's order. Raises ValueError for one that is not there."""
    wanted = {name.strip().upper() for name in names.split(",")}
    known = {workload.name for workload in WORKLOADS}
    if unknown := sorted(wanted - known):
        raise ValueError(
            f"there is no workload {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        )
    return tuple(workload for workload in WORKLOADS if workload.name in wanted)
