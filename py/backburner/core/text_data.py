"""Text to learn from: what counts as one character, which there are, and how many windows.

Owns the options of the data source `text`, its limits and its refusals, for the shipped text and
for one that stands in the recipe. It must not know how the shipped text is loaded: what a recipe
is checked against (its length, its characters) stands here, and the build refuses to ship another.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from backburner.core.errors import DataError
from backburner.core.options import integer, listed, read_object, show
from backburner.core.split import PARTS, Part, SplitRecipe, share_out

SHIPPED_LENGTH = 448_263
SHIPPED_VOCABULARY = "\n" + "".join(map(chr, range(ord(" "), ord("~") + 1)))

MOST_SYMBOLS = 256
"""An example is bytes, one for each character."""
OTHER = "\N{REPLACEMENT CHARACTER}"
"""Stands for every character that is too rare to have a place in the vocabulary."""
LONGEST = 5_000_000
SHORTEST_CONTEXT, LONGEST_CONTEXT = 8, 1024

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

CONTEXT = integer(
    SHORTEST_CONTEXT,
    LONGEST_CONTEXT,
    "It is the number of characters that the model sees at once; 128 is a good start.",
)


def normalized(text: str) -> str:
    """A text as models read it: every line's end is one character, and so is every letter.

    (Unicode's form NFC: an e and the accent that is put on it are one character, é. Half of a
    pair of surrogates, which JSON can hold, is no character.)
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.isascii():
        return text
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return unicodedata.normalize("NFC", whole)


def decode_text(content: bytes, name: str = "The file") -> str:
    """The text of a file: UTF-8, or UTF-16 with its mark. Raises DataError, naming the byte."""
    mark, encoding = next(
        ((mark, encoding) for mark, encoding in _MARKS if content.startswith(mark)), (b"", "utf-8")
    )
    try:
        return content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        at = len(mark) + error.start
        raise DataError(
            f"{name} cannot be read as text: its byte {at:,} (0x{content[at]:02x}) does not belong "
            f"there in {encoding.upper()}. It may be no text at all, or one in an older encoding. "
            "Save it as UTF-8 in a text editor, or paste the text instead.",
            key="data.text",
            detail=str(error),
        ) from None


def vocabulary_of(text: str) -> tuple[str, ...]:
    """Its different characters, sorted: at most 256, of more the most frequent 255 and OTHER."""
    found = set(text)
    if len(found) > MOST_SYMBOLS:
        counts = Counter(text)
        del counts[OTHER]
        often = sorted(counts, key=lambda character: (-counts[character], character))
        found = {*often[: MOST_SYMBOLS - 1], OTHER}
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class TextData:
    """A text in windows of `context` characters; each is followed by the next, without gaps.

    What is to be said at each position is the character after it. `classes` is the vocabulary,
    `length` the number of characters. `text` of None is the shipped one.
    """

    source: ClassVar[str] = "text"
    text: str | None = field(default=None, repr=False)
    classes: tuple[str, ...] = field(default=tuple(SHIPPED_VOCABULARY), repr=False)
    length: int = SHIPPED_LENGTH
    context: int = 128
    split: SplitRecipe = field(default_factory=SplitRecipe)

    @classmethod
    def from_wire(cls, wire: Mapping[str, object], key: str = "data") -> TextData:
        given = read_object(wire, key, ("source", "text", "context", "split"))
        context = CONTEXT.read(given.get("context", 128), f"{key}.context")
        split = SplitRecipe.from_wire(given.get("split", {}), f"{key}.split")
        if given.get("text") is None:
            data = cls(context=context, split=split)
        else:
            text = _read_text(given["text"], f"{key}.text")
            data = cls(
                text=text,
                classes=vocabulary_of(text),
                length=len(text),
                context=context,
                split=split,
            )
        data.part_sizes()
        return data

    @property
    def input_shape(self) -> tuple[int]:
        return (self.context,)

    @property
    def windows(self) -> int:
        """How many examples the text gives; the last character is only ever an answer."""
        return max(0, self.length - 1) // self.context

    def part_sizes(self) -> dict[Part, int]:
        """How many windows each part gets. Raises DataError when one would have none."""
        needed = [part for part in PARTS if self.split.of(part) > 0]
        if self.windows >= len(needed):
            return share_out(self.windows, self.split)
        parts = f"{listed(needed)} {'needs' if len(needed) == 1 else 'need'}"
        shorter = (self.length - 1) // len(needed)
        way_out = f"Take a text of at least {len(needed) * self.context + 1:,} characters"
        if shorter >= SHORTEST_CONTEXT:
            way_out += f", or set data.context to {shorter} or less"
        raise DataError(
            f"data.text has only {self.length:,} characters. That makes {self.windows} windows of "
            f"{self.context} (data.context), but {parts} at least one each. {way_out}.",
            key="data.text",
        )

    def to_wire(self) -> dict[str, object]:
        wire: dict[str, object] = {"source": self.source}
        if self.text is not None:
            wire["text"] = self.text
        return wire | {"context": self.context, "split": self.split.to_wire()}


def _read_text(value: object, key: str) -> str:
    problem = None
    if not isinstance(value, str):
        problem = f"is {show(value)}, but it must be a text"
    elif not value:
        problem = "is empty, so there is nothing to learn from"
    elif len(text := value if len(value) > LONGEST else normalized(value)) > LONGEST:
        problem = f"has {len(text):,} characters, and {LONGEST:,} are the most that fit"
    elif len(set(text)) < 2:
        problem = f"has only one character, {show(text[0])}, again and again"
    else:
        return text
    raise DataError(
        f"{key} {problem}. Paste a text of some thousand characters and more, for example a story "
        "or a program, or leave it out to learn from Python's own documentation.",
        key=key,
    )
