"""The worker's database on the browser's own IndexedDB."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tests.engine.laboratory import Laboratory
from tests.worker import database_contract
from tests.worker.database_contract import CHECKS

pytestmark = pytest.mark.browser

CONTRACT = Path(database_contract.__file__).read_text(encoding="utf-8")
SHARED = """
import asyncio
EMPTY = '{"value": null, "configurable": true}'
from backburner.core.errors import *
from backburner.worker.database import IndexedDatabase
from backburner.worker.storage import *

async def error_of(awaitable):
    try:
        await awaitable
    except BackburnerError as error:
        return [error.name, error.detail]
"""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.__name__))
def test_indexeddb_keeps_the_contract(laboratory: Laboratory, check: object) -> None:
    # A future import must come first, and the laboratory's own lines stand before it.
    contract = CONTRACT.replace("from __future__ import annotations", "")
    code = """
    async def main(name):
        from backburner.worker.database import IndexedDatabase
        await globals()[name](lambda: IndexedDatabase(f"contract {name}"))
        return "kept"
    """
    name = check.__name__  # type: ignore[attr-defined]
    # Function annotations are evaluated lazily in Python 3.14, which is what runs in the browser.
    assert laboratory.run(contract + dedent(code), name=name) == "kept"


def test_no_proxy_is_left_behind(laboratory: Laboratory) -> None:
    code = """
    async def main():
        database = IndexedDatabase("proxies")
        async def use():
            await database.write(["runs"], [], lambda _: [Put("runs", "a", Row.of("1", b"12"))])
            await database.read(Get("runs", "a"), Rows("curves", "a"))
            await error_of(database.write(["runs"], [Get("runs", "a")], refuse))
        def refuse(found):
            raise Damaged("no")
        await use()
        before = js.livingProxies()
        for _ in range(10):
            await use()
        during = js.livingProxies() - before
        await database.close()
        return [during, before - js.livingProxies()]
    """
    # Closing gives back the one that hears of the connection's end.
    assert laboratory.run(SHARED + dedent(code)) == [0, 1]


def test_a_newer_database_is_left_alone_and_named(laboratory: Laboratory) -> None:
    code = """
    async def main():
        from pyodide.ffi import create_once_callable
        request = js.indexedDB.open("newer", SCHEMA + 6)
        opened = asyncio.get_running_loop().create_future()
        request.onsuccess = create_once_callable(lambda _: opened.set_result(None))
        await opened
        request.result.close()
        return await error_of(IndexedDatabase("newer").read(Keys("runs")))
    """
    name, detail = laboratory.run(SHARED + dedent(code))
    assert name == "NewerStorage"
    assert "VersionError" in detail


def test_an_opening_that_gives_no_answer_ends_by_itself(laboratory: Laboratory) -> None:
    code = """
    async def main():
        from pyodide.ffi import create_once_callable
        # Another tab's connection that does not let go, while the database is to be deleted.
        database = IndexedDatabase("held")
        await database.read(Keys("runs"))
        database._database.onversionchange = None
        js.indexedDB.deleteDatabase("held")
        late = IndexedDatabase("held", opening_s=0.2)
        refused = await error_of(late.read(Keys("runs")))
        await database.close()
        # What it asked for comes after all, and must not stay open: the next one can be deleted.
        gone = asyncio.get_running_loop().create_future()
        request = js.indexedDB.deleteDatabase("held")
        request.onsuccess = create_once_callable(lambda _: gone.set_result(True))
        return [refused, await gone]
    """
    (name, detail), gone = laboratory.run(SHARED + dedent(code))
    assert name == "StorageError"
    assert "no answer" in detail
    assert gone


def test_a_lost_connection_is_opened_again(laboratory: Laboratory) -> None:
    code = """
    async def main():
        database = IndexedDatabase("lost")
        await database.write(["runs"], [], lambda _: [Put("runs", "a", Row.of("1"))])
        database._database.close()
        again = await database.read(Keys("runs"))
        # A newer version in another tab asks it to let go, and then has the database for itself.
        gone = asyncio.get_running_loop().create_future()
        from pyodide.ffi import create_once_callable
        request = js.indexedDB.deleteDatabase("lost")
        request.onsuccess = create_once_callable(lambda _: gone.set_result(True))
        await gone
        empty = await database.read(Keys("runs"))
        await database.close()
        return [again, empty]
    """
    assert laboratory.run(SHARED + dedent(code)) == [[["a"]], [[]]]


def test_a_browser_without_storage_is_said_to_deny_it(laboratory: Laboratory) -> None:
    code = """
    async def main():
        own = js.Object.getOwnPropertyDescriptor(js.globalThis, "indexedDB")
        found = []
        try:
            js.Object.defineProperty(js.globalThis, "indexedDB", js.JSON.parse(EMPTY))
            found.append(await error_of(IndexedDatabase("none").read(Keys("runs"))))
        finally:
            js.Object.defineProperty(js.globalThis, "indexedDB", own)
        return found
    """
    ((name, _),) = laboratory.run(SHARED + dedent(code))
    assert name == "StorageDenied"
