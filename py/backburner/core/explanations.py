"""What the page says about an error: what kind of trouble it is, what happened, what to do.

An error's own message is English, whatever the page speaks: it comes from where it happened.
To other readers it is the technical sentence; the family and the way out say what they need.
"""

from __future__ import annotations

from dataclasses import dataclass

from backburner.core.errors import family_of, kinds_of
from backburner.core.texts import SOURCE_LANGUAGE, Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The parts of a notice; what is empty is not shown.

    `message` is in the reader's language, `technical` is the English one for other readers;
    `detail` is for whoever wants to know more.
    """

    title: str = ""
    message: str = ""
    way_out: str = ""
    technical: str = ""
    detail: str = ""


def explanation(texts: Texts, name: str, message: str, detail: str = "") -> Explanation:
    """Explains the error of class `name`."""
    speaks_english = texts.language == SOURCE_LANGUAGE
    return Explanation(
        title=texts(f"errors.{family_of(name)}.title"),
        message=message if speaks_english else "",
        way_out=_way_out(texts, name),
        technical="" if speaks_english else message,
        detail="" if detail in message else detail,
    )


def unexpected(texts: Texts, detail: str) -> Explanation:
    """Explains a mistake of our own in drawing a view."""
    return Explanation(
        title=texts(f"errors.{family_of('')}.title"),
        message=texts("errors.unexpected.message"),
        way_out=texts("errors.unexpected.way_out"),
        detail=detail,
    )


def _way_out(texts: Texts, name: str) -> str:
    """That of the nearest class that has one."""
    for kind in kinds_of(name) or ("BackburnerError",):
        if texts.knows(f"errors.{kind}.way_out"):
            return texts(f"errors.{kind}.way_out")
    return ""
