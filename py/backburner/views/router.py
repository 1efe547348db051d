"""Which view is shown. The address decides, and site/scripts/shell.js follows it by itself."""

from __future__ import annotations

from collections.abc import Callable

import js

from backburner.core.routes import View, address_of, view_of
from backburner.views.dom import listen


class Router:
    """Reads the address, and leads to others."""

    @property
    def view(self) -> View:
        """The view that is shown."""
        return view_of(str(js.location.hash)) or View.WELCOME

    def go(self, view: View) -> None:
        """Shows a view, as if its link had been pressed."""
        js.location.hash = address_of(view)

    def listen(self, heard: Callable[[], None]) -> None:
        """Calls `heard` whenever another view is shown."""
        listen(js.window, "hashchange", lambda _event: heard())
