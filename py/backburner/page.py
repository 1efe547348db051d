"""The page's entry: joins app and views, and says when the page can be used.

Run by PyScript as soon as the page's interpreter stands; the worker has been starting beside
it since the first script (site/scripts/boot.mjs). When there is no worker, the kitchen's loop
runs here, in the page's own thread: the same code, on one end of a channel.
"""

from __future__ import annotations

import asyncio
from functools import partial

from backburner import __version__, kitchen
from backburner.app import browser, shell
from backburner.app.hook import Hook
from backburner.app.house import House
from backburner.app.locks import WebLocks
from backburner.app.page_state import PageState
from backburner.app.preferences import KeptPreferences
from backburner.core.backends import wanted_backend
from backburner.views.page import PageView


def main() -> None:
    """Builds the page's side, room by room, and leaves it running on the event loop."""
    storage = browser.LocalStorage()
    texts = shell.texts()
    preferences = KeptPreferences(storage, partial(shell.apply, texts))
    preferences.open()
    house = House(
        launch=browser.launcher(kitchen.main),
        locks=WebLocks(),
        storage=storage,
        later=asyncio.get_running_loop().call_soon,
        now_s=browser.now_s,
        new_id=browser.new_id,
        resumes_by_itself=lambda: preferences.current.on_reload == "resume",
        wanted_backend=lambda: wanted_backend(
            address=browser.parameter("backend"),
            has_seed=browser.parameter("seed") is not None,
            preference=preferences.current.backend,
        ),
        without_worker=browser.without_worker(),
        debug=browser.is_debugging(),
    )
    if browser.is_debugging():
        browser.count_proxies()
        house.logs.listeners.append(browser.log)
    seed = browser.seed_parameter()
    hook = Hook(house, storage, seed=seed)
    PageState(house.store).install()
    house.begin()
    hook.install()
    PageView(house, preferences, texts, seed=seed, now_s=browser.now_s).install()
    browser.mark("page")
    browser.set_page_state("version", __version__)
    browser.set_page_state("backburner", "ready")
    hook.announce_ready()
