"""The views and their addresses: `#/create` is the view Create.

The address alone says which view is shown, so that back, forward, a reload and a link all lead
where they say. site/scripts/shell.js carries this out before Python is there; it gets the list
of views from here, through the template.
"""

from __future__ import annotations

from enum import StrEnum


class View(StrEnum):
    """The views, in the order of the navigation."""

    WELCOME = "welcome"
    CREATE = "create"
    DASHBOARD = "dashboard"
    PLAYGROUND = "playground"
    SETTINGS = "settings"


def address_of(view: View) -> str:
    """`#/create`."""
    return f"#/{view}"


def view_of(fragment: str) -> View | None:
    """The view that an address names; None for an address that is no view.

    No fragment at all is the front door.
    """
    if fragment in ("", "#", "#/"):
        return View.WELCOME
    name = fragment.removeprefix("#/")
    return View(name) if name in tuple(View) and fragment.startswith("#/") else None
