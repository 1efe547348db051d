"""The page's entry: joins app and views, and says when the page can be used.

Run by PyScript as soon as the page's interpreter stands; the worker has been starting beside
it since the first script (site/scripts/boot.mjs).
"""

from __future__ import annotations

import asyncio

from backburner import __version__
from backburner.app import browser
from backburner.app.hook import Hook
from backburner.app.kitchens import Kitchens
from backburner.app.operations import Operations
from backburner.app.page_state import PageState
from backburner.app.records import Records
from backburner.app.store import Store
from backburner.views.page import PageView


def main() -> None:
    """Builds the page's side, room by room, and leaves it running on the event loop."""
    storage = browser.LocalStorage()
    store = Store(asyncio.get_running_loop().call_soon)
    kitchens = Kitchens(store, browser.launch_worker)
    if browser.parameter("debug") == "1":
        browser.count_proxies()
        kitchens.on_log = browser.log
    operations = Operations(store, kitchens, now_s=browser.now_s, new_id=browser.new_id)
    records = Records(store, storage, now_s=browser.now_s)
    seed = browser.seed_parameter()
    hook = Hook(store, kitchens, operations, storage, seed=seed)
    PageState(store).install()
    kitchens.start()
    records.open()
    hook.install()
    PageView(store, operations, records, seed=seed).install()
    browser.mark("page")
    browser.set_page_state("version", __version__)
    browser.set_page_state("backburner", "ready")
    hook.announce_ready()
