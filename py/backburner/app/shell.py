"""What site/scripts/shell.js keeps for Python: the texts of the page, and how it looks.

The shell was there first, and goes on doing what needs no Python: it shows the view that the
address names, and renders the texts of the templates.
"""

from __future__ import annotations

from typing import Any

import js
from pyodide.ffi import JsException

from backburner.core.errors import InterfaceError
from backburner.core.preferences import Preferences
from backburner.core.texts import Texts


def texts() -> Texts:
    """The texts of the language in which the page was painted."""
    spoken = js.backburnerShell.spoken
    return Texts(str(spoken.language), spoken.entries.to_py())


async def apply(texts: Texts, preferences: Preferences) -> None:
    """Carries out preferences at once; `texts` speak the chosen language when it returns.

    Raises InterfaceError when the texts of that language cannot be had.
    """
    try:
        spoken: Any = await js.backburnerShell.apply(js.JSON.parse(preferences.as_text()))
    except JsException as error:
        raise InterfaceError(
            "The texts of this language could not be loaded, so the page keeps the one it has. "
            "Check the network, and choose the language again.",
            detail=str(error),
        ) from error
    if str(spoken.language) != texts.language:
        texts.speak(str(spoken.language), spoken.entries.to_py())
