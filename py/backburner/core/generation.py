"""How a text model is asked to write on: a recipe's `generation`, its defaults and its limits.

Owns what can be asked for and the words of every refusal. It must not know how characters are
drawn (engine/sampling.py), nor which characters a model knows.

What is left out: `prompt` is empty, and the model begins as after a line's end; `length` 200
characters, `temperature` 0.8, and neither `top_k` nor `top_p` leaves anything out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from backburner.core.errors import RecipeError
from backburner.core.options import Option, between, integer, read_by, read_settings, refusal
from backburner.core.text_data import normalized

LONGEST_PROMPT = 10_000
LONGEST_TEXT = 100_000


def _read_prompt(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise refusal(
            value,
            key,
            f"it must be a text of at most {LONGEST_PROMPT:,} characters",
            'The model writes on from it, for example from "The ".',
        )
    # Some letters come apart in it, and what was read is to be readable again.
    text = value if len(value) > LONGEST_PROMPT else normalized(value)
    if len(text) > LONGEST_PROMPT:
        raise RecipeError(
            f"{key} has {len(text):,} characters, and {LONGEST_PROMPT:,} are the most that fit. "
            "Take its end: the model looks back over far fewer.",
            key=key,
        )
    return text


_PROMPT = Option(read=_read_prompt, schema={"type": "string", "maxLength": LONGEST_PROMPT})
_LENGTH = integer(1, LONGEST_TEXT, "It is the number of characters to write; 200 are a few lines.")
_TEMPERATURE = between(
    0, 5, "0 always takes the likeliest character, 0.8 is a good start, above 1 it gets wild."
)
_TOP_K = integer(0, 256, "Only so many of the likeliest characters may come next; 0 allows all.")
_TOP_P = between(
    0,
    1,
    "Only the likeliest characters that together have this probability may come next; 1 allows "
    "all, 0 the likeliest alone.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What a model is to write: `length` characters that follow `prompt`.

    Each is drawn from the model's probabilities, sharpened (or, above 1, flattened) by
    `temperature`; at 0 it is the likeliest. Of the others only those may come that are among the
    `top_k` likeliest (0: all), and among the fewest that together have the probability `top_p`
    (Holtzman et al. 2019, "The Curious Case of Neural Text Degeneration").
    """

    prompt: str = field(default="", metadata=read_by(_PROMPT))
    length: int = field(default=200, metadata=read_by(_LENGTH))
    temperature: float = field(default=0.8, metadata=read_by(_TEMPERATURE))
    top_k: int = field(default=0, metadata=read_by(_TOP_K))
    top_p: float = field(default=1.0, metadata=read_by(_TOP_P))

    @classmethod
    def from_wire(cls, wire: object, key: str = "generation") -> Generation:
        """Reads any JSON value. Raises RecipeError, naming the key."""
        return read_settings(cls, wire, key)

    def to_wire(self) -> dict[str, object]:
        """Every setting, the defaults too."""
        return {f.name: getattr(self, f.name) for f in fields(self)}
