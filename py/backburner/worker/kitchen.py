"""What the loop needs from around it: worker/browser.py in a browser, a fake in tests."""

from __future__ import annotations

from typing import Protocol

from backburner.core.messages import Pong
from backburner.core.recipe import Recipe
from backburner.engine.data import Dataset
from backburner.engine.training import Training


class Kitchen(Protocol):
    """The port, the clocks, the data, and the numbers' machinery."""

    @property
    def backend(self) -> str:
        """The TensorFlow.js backend in use."""

    @property
    def kernels(self) -> str:
        """Which kernels it has: "stock"."""

    def post(self, text: str, buffers: tuple[bytes, ...]) -> None:
        """Sends a text with copies of the buffers; nothing posted is kept."""

    def clock_ms(self) -> float:
        """Milliseconds that never go back."""

    def now_s(self) -> float:
        """Seconds since 1970."""

    async def turn(self) -> None:
        """Lets everything else that waits have its turn, messages included."""

    async def prepare(self, recipe: Recipe, data: Dataset | None = None) -> Training:
        """Loads the data, unless it is given, and builds the model.

        Raises ConfigurationError or ProcessError.
        """

    async def load(self, source: str) -> int:
        """Loads the shipped data of a source and keeps it; how many examples there are.

        Raises DataError for a source that ships none.
        """

    def vitals(self, *, models: int, running: int) -> Pong:
        """How the worker is doing."""

    def close(self) -> None:
        """Gives back the port and what listens to it. May be called again."""
