"""Every text that people read, by key and in their language.

Owns how a text is found and filled in, which plural form a language takes, and how it writes
numbers. The texts themselves stand in site/locale/<language>/<area>.json; the build merges them
into one catalogue a language, and the page hands its own to Python. Nothing here knows where a
catalogue came from.

A text is a string with `{names}`, or, where a count decides, `{"one": …, "other": …}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Entry = str | Mapping[str, str]
Entries = Mapping[str, Entry]

_NAME = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """How a language calls itself, and how it writes numbers. `plural` names a count's form."""

    name: str
    thousands: str
    decimal: str
    plural: Callable[[float], str]


def _one_or_other(count: float) -> str:
    return "one" if count == 1 else "other"


LANGUAGES: Mapping[str, Language] = {
    "en": Language(name="English", thousands=",", decimal=".", plural=_one_or_other),
    "de": Language(name="Deutsch", thousands=".", decimal=",", plural=_one_or_other),
}
"""The plural forms are those of CLDR; a further language brings its own rule."""

SOURCE_LANGUAGE = "en"
"""What the templates are rendered in, and what is read where a language has no catalogue."""


class MissingText(LookupError):  # noqa: N818 - says what it is
    """A key that the catalogue does not have, or a placeholder that was given no value."""


class Texts:
    """The texts of the language that is spoken: `texts("dashboard.status.paused", step=840)`.

    One object for as long as the page lives: every view holds it, and a change of language
    reaches all of them by `speak`. A key that is not there raises MissingText when `strict`
    (tests, the build); for a visitor it is shown as it is, because a page with one odd word
    is of more use than none.
    """

    def __init__(self, language: str, entries: Entries, *, strict: bool = False) -> None:
        self._strict = strict
        self.speak(language, entries)

    def speak(self, language: str, entries: Entries) -> None:
        """Goes over to another language."""
        self.language = language if language in LANGUAGES else SOURCE_LANGUAGE
        self._rules = LANGUAGES[self.language]
        self._entries = entries

    def __call__(self, key: str, /, **values: object) -> str:
        """The text of `key`, filled in; `count` also chooses the plural form.

        Whole numbers are grouped as the language does it; other numbers come as text, already
        rounded by `number` or `percent`, because only the caller knows how exact they are.
        """
        entry = self._entries.get(key)
        if entry is None:
            return self._missing(key, f"There is no text {key!r} in {self.language}.")
        if not isinstance(entry, str):
            count = values.get("count")
            if not isinstance(count, int | float):
                return self._missing(key, f"The text {key!r} has plural forms and got no count.")
            entry = entry.get(self._rules.plural(count)) or entry["other"]

        def filled(found: re.Match[str]) -> str:
            if found[1] not in values:
                return self._missing(found[0], f"The text {key!r} got no value for {found[0]}.")
            return self._shown(values[found[1]])

        return _NAME.sub(filled, entry)

    def knows(self, key: str) -> bool:
        """Whether there is a text of this key."""
        return key in self._entries

    def number(self, value: float, places: int = 0) -> str:
        """`1,797` or `0.1234`, as the language writes it."""
        grouped = f"{value:,.{places}f}"
        swapped = {",": self._rules.thousands, ".": self._rules.decimal}
        return "".join(swapped.get(sign, sign) for sign in grouped)

    def percent(self, share: float) -> str:
        """A share from 0 to 1 as `97.2 %`."""
        return f"{self.number(100 * share, 1)} %"

    def _shown(self, value: object) -> str:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return self.number(value) if whole else str(value)  # type: ignore[arg-type]

    def _missing(self, shown: str, problem: str) -> str:
        if self._strict:
            raise MissingText(problem)
        return shown


def placeholders(entry: Entry) -> set[str]:
    """The names that a text wants filled in, over all its forms."""
    forms = [entry] if isinstance(entry, str) else list(entry.values())
    return {name for form in forms for name in _NAME.findall(form)}
