"""What a visitor has chosen for this site, and the one JSON text that it is kept as.

site/scripts/shell.js reads the same text before the first paint. A choice that this version
does not know (an older or a newer one wrote it, or somebody by hand) counts as not made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

from backburner.core.backends import BACKENDS
from backburner.core.texts import LANGUAGES

SCHEMA = 1

CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "theme": ("system", "light", "dark"),
        "motion": ("system", "reduced"),
        "language": ("system", *LANGUAGES),
        "on_reload": ("resume", "ask"),
        "backend": ("automatic", *BACKENDS),
    }
)
"""The values of each preference that is a choice; the first one is the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """`on_reload`: whether a run that was cut off is taken up by itself, or after a question.

    `backend`: what new runs compute on; "automatic" is what a measurement finds the quickest.
    """

    theme: str = "system"
    motion: str = "system"
    language: str = "system"
    on_reload: str = "resume"
    backend: str = "automatic"
    debug: bool = False

    @classmethod
    def from_text(cls, text: str | None) -> Preferences:
        """What `as_text` wrote; defaults for all that is missing or makes no sense."""
        try:
            found = json.loads(text or "{}")
        except (ValueError, RecursionError):
            return cls()
        if not isinstance(found, dict):
            return cls()
        chosen = {name: found[name] for name in CHOICES if found.get(name) in CHOICES[name]}
        return cls(**chosen, debug=found.get("debug") is True)

    def as_text(self) -> str:
        """One JSON object; only what differs from the defaults, so that these can change."""
        default = Preferences()
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        chosen = {name: value for name, value in named.items() if value != getattr(default, name)}
        return json.dumps({"schema": SCHEMA, **chosen})
