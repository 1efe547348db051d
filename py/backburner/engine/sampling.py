"""Writing a text, character by character: what a text model says comes next is drawn, and read.

Owns how a character is chosen from the model's logits, and that the choice follows from the seed
and the character's place alone: a text that is interrupted after so many characters, and taken up
by reading those, goes on as it would have. It must not know who wants the text, or when.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from backburner.core.errors import TrainingDiverged
from backburner.core.generation import Generation
from backburner.core.model import ModelSpec
from backburner.core.text_data import OTHER
from backburner.engine.data import encode
from backburner.engine.randomness import key
from backburner.engine.safetensors import Numbers
from backburner.engine.streaming import Stream

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_COLDEST = 1e-6
"""Below this only the likeliest is left, and a logit over the temperature could be too large."""


class Sampler:
    """Writes with one model. Made with `from_weights`; numpy has to be there by then.

    First it reads what it is to go on from; each character that it writes, it reads as well.
    """

    def __init__(self, stream: Stream, symbols: Sequence[str], seed: int) -> None:
        self._stream = stream
        self._symbols = tuple(symbols)
        self._seed = seed
        self._logits: NDArray[np.float32] | None = None

    @classmethod
    def from_weights(
        cls,
        spec: ModelSpec,
        parameters: Mapping[str, Numbers],
        symbols: Sequence[str],
        *,
        seed: int = 0,
    ) -> Sampler:
        """`parameters` as an executor reads them, `symbols` the classes of the model's data.

        Raises DataError for a model that was not trained on text.
        """
        return cls(Stream(spec, parameters), symbols, seed)

    @property
    def start(self) -> str:
        """What a text begins after that has no prompt: a line's end, if the model knows it."""
        return "\n" if "\n" in self._symbols else self._symbols[0]

    def read(self, text: str) -> None:
        """Goes on from this text, after all that was read before.

        Of a long one only the end is read, as far as the model can look back: the cost has a
        limit. Raises DataError, and reads nothing, for a character that the model does not know.
        """
        symbols = encode(text, self._symbols)
        if len(symbols) >= self._stream.reach:
            self._stream.forget()
            symbols = symbols[-self._stream.reach :]
        for symbol in symbols:
            self._logits = self._stream.step(symbol)

    def next(self, settings: Generation, index: int) -> tuple[str, float]:
        """The character that comes at place `index` of the text, and how probable it was.

        The probability is the model's own, whatever the settings make of it. The prompt is not
        read here, but by `read`; where nothing was read, the text begins as after a line's end.
        Raises TrainingDiverged for a model that does not put out numbers any more.
        """
        if self._logits is None:
            self.read(self.start)
            assert self._logits is not None
        if not all(map(math.isfinite, self._logits.tolist())):
            raise TrainingDiverged(
                "What the model puts out is not a number any more: its weights ran away while it "
                "was trained. Train it anew, with a smaller learning rate.",
                key="model.from",
            )
        word = key(self._seed, "sample", index).words(1)[0]
        chosen, probability = choose(
            self._logits, settings, word / 2**32, without=self._unspeakable
        )
        self._logits = self._stream.step(chosen)
        return self._symbols[chosen], probability

    @property
    def _unspeakable(self) -> int | None:
        """The symbol that stands for characters that are not known: it is read, never written."""
        return self._symbols.index(OTHER) if OTHER in self._symbols else None


def choose(
    logits: NDArray[np.float32],
    settings: Generation,
    at: float,
    *,
    without: int | None = None,
) -> tuple[int, float]:
    """Which symbol comes next, and its probability among all.

    `at`, from 0 up to 1, is the random number: what is left by top_k and top_p is laid side by
    side, the likeliest first, each as wide as it is probable, and `at` falls on one.
    """
    import numpy as np

    wide = logits.astype(np.float64)
    probabilities = _softmax(wide)
    if without is not None and len(wide) > 1:
        wide[without] = -np.inf
    order = np.argsort(-wide, kind="stable")  # of equal ones the first comes first
    if settings.temperature == 0:
        chosen = int(order[0])
        return chosen, float(probabilities[chosen])
    if settings.top_k:
        order = order[: settings.top_k]
    weights = _softmax(wide[order] / max(settings.temperature, _COLDEST))
    reached = np.cumsum(weights)
    if settings.top_p < 1:
        kept = int(np.searchsorted(reached, settings.top_p)) + 1
        order, reached = order[:kept], reached[:kept]
    place = int(np.searchsorted(reached, at * reached[-1], side="right"))
    chosen = int(order[min(place, len(order) - 1)])
    return chosen, float(probabilities[chosen])


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    powers = np.exp(logits - logits.max())
    shares: NDArray[np.float64] = powers / powers.sum()
    return shares
