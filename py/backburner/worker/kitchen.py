"""What the loop needs from around it: worker/browser.py in a browser, a fake in tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from backburner.core.fine_tuning import Base
from backburner.core.generation import Generation
from backburner.core.kinds import TrainingRecipes
from backburner.core.messages import Pong
from backburner.engine.data import Dataset
from backburner.engine.safetensors import Numbers
from backburner.engine.task import Start, Task
from backburner.engine.training import Training


class Writer(Protocol):
    """What a generation needs of engine/sampling.py's Sampler."""

    @property
    def start(self) -> str:
        """What a text begins after that has no prompt."""

    def read(self, text: str) -> None:
        """Goes on from this text, after all that was read before."""

    def next(self, settings: Generation, index: int) -> tuple[str, float]:
        """The character at place `index` of the text, and how probable it was."""


class Kitchen(Protocol):
    """The port, the clocks, the data, and the numbers' machinery."""

    @property
    def backend(self) -> str:
        """The TensorFlow.js backend that it was started with."""

    @property
    def kernels(self) -> str:
        """Which kernels wasm has: "relaxed", "simd", or "stock" for TensorFlow.js's own."""

    def kernels_on(self, backend: str) -> str:
        """Which kernels a model has on a backend: only wasm has others than "stock"."""

    def post(self, text: str, buffers: tuple[bytes, ...]) -> None:
        """Sends a text with copies of the buffers; nothing posted is kept."""

    def clock_ms(self) -> float:
        """Milliseconds that never go back."""

    def now_s(self) -> float:
        """Seconds since 1970."""

    async def turn(self) -> None:
        """Lets everything else that waits have its turn, messages included."""

    async def gather(self, recipe: TrainingRecipes) -> Dataset:
        """The data of a recipe whose source ships it, or that holds it. Raises DataError."""

    def task(self, recipe: TrainingRecipes, data: Dataset, start: Start | None) -> Task:
        """What is to be trained. Raises ConfigurationError for what cannot be."""

    async def sampler(self, network: Base, weights: Mapping[str, Numbers], seed: int) -> Writer:
        """Who writes with a text model. Raises DataError for a network that cannot."""

    async def start_backend(self, backend: str) -> None:
        """Has a backend ready for `prepare`. Raises BackendError when it cannot be had here."""

    async def check_backend(self, backend: str) -> None:
        """Asks a backend that is ready a sum. Raises BackendError for a wrong answer, or none."""

    async def prepare(self, task: Task, *, backend: str) -> Training:
        """Builds the model on a backend that is ready.

        Raises ConfigurationError or ProcessError.
        """

    def needed_bytes(self, task: Task, *, backend: str) -> int:
        """How much memory a training holds there at its fullest."""

    def device_gb(self) -> float | None:
        """How much memory the device has, in GB, roughly; None where the browser does not say."""

    async def load(self, source: str) -> int:
        """Loads the shipped data of a source and keeps it; how many examples there are.

        Raises DataError for a source that ships none.
        """

    def vitals(self, *, models: int, running: int) -> Pong:
        """How the worker is doing."""

    def close(self) -> None:
        """Gives back the port and what listens to it. May be called again."""
