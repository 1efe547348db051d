"""One transaction of IndexedDB: its requests, its callbacks, its end, and what went wrong.

Names of `js` are looked up when they are needed, never at import: this module is part of the
memory snapshot that Node makes. No JsException leaves it, and every proxy made for a callback is
destroyed when its request is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import js
from pyodide.ffi import JsException, create_proxy, to_js

from backburner.core.errors import NewerStorage, StorageDenied, StorageError, StorageFull
from backburner.worker.storage import Decide, Delete, Get, Key, Keys, Put, Read, Row, Write

TRANSACTION_S = 20.0
"""How long a transaction may take before it is given up."""

# What browsers throw when storage is switched off: by setting, or in a private window.
_DENIED = ("SecurityError", "NotAllowedError", "InvalidStateError")


async def carry_out(transaction: Any, reads: Sequence[Read], decide: Decide) -> None:
    """Issues the reads, then what is decided, and waits for the transaction's end.

    A request that succeeds says little: the transaction may still be undone, by a full disk for
    example. Only its `complete` counts.
    """
    raised: list[BaseException] = []
    requests: list[Any] = []

    def on_read(*_: Any) -> None:
        try:
            found = [_found(read, request) for read, request in zip(reads, requests, strict=True)]
            for each in decide(found):
                _issue(transaction, each)
        except BaseException as error:
            raised.append(error)
            transaction.abort()

    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_end(*_: Any) -> None:
        if not future.done():
            future.set_result(None)

    with _proxies(on_read, on_end) as (read, end):
        transaction.oncomplete = transaction.onabort = end
        try:
            requests += [_request(transaction.objectStore(each.store), each) for each in reads]
            if requests:
                # Requests are answered in order: with the last one, all have been.
                requests[-1].onsuccess = read
            else:
                on_read()
            await within(future, TRANSACTION_S)
        except StorageError:
            with suppress(JsException):
                transaction.abort()
            raise
        except JsException as error:
            raise error_from(error) from None
        finally:
            transaction.oncomplete = transaction.onabort = None
            if requests:
                requests[-1].onsuccess = None
    for each in raised:
        raise error_from(each) if isinstance(each, JsException) else each
    if transaction.error:
        raise error_from(transaction.error)


def _request(store: Any, read: Read) -> Any:
    match read:
        case Get():
            return store.get(_key(read.key))
        case Keys():
            return store.getAllKeys(_beginning(read.name))
        case _:
            return store.getAll(_beginning(read.name))


def _found(read: Read, request: Any) -> Any:
    result = request.result
    match read:
        case Get():
            return None if result is None else _row(result)
        case Keys():
            return [key if isinstance(key, str) else tuple(key.to_py()) for key in result]
        case _:
            return [_row(each) for each in result]


def _issue(transaction: Any, write: Write) -> None:
    store = transaction.objectStore(write.store)
    match write:
        case Put():
            row = write.row
            record = {"text": row.text, "sha256": row.sha256, "data": to_js(row.data).buffer}
            store.put(to_js(record, create_pyproxies=False), _key(write.key))
        case Delete():
            store.delete(_key(write.key))


def _row(record: Any) -> Row:
    """The row of a stored record; whatever is no record of ours is one that fails its check."""
    try:
        return Row(
            text=str(record.text), data=bytes(record.data.to_bytes()), sha256=str(record.sha256)
        )
    except (AttributeError, JsException):
        return Row(text="", sha256="not one of our records")


def _key(key: Key) -> Any:
    return key if isinstance(key, str) else to_js(list(key))


def _beginning(name: str | None) -> Any:
    """All keys `[name, …]`: arrays sort after numbers, so `[name, []]` is past the last one."""
    if name is None:
        return None
    return js.IDBKeyRange.bound(to_js([name]), to_js([name, []]))


# --- callbacks -------------------------------------------------------------------------


async def within(future: asyncio.Future[None], patience_s: float) -> None:
    """Waits for the future. Raises StorageError when it takes longer than `patience_s`.

    (Pyodide does not clear the timers of asyncio.wait_for: each would hold a proxy to its end.)
    """
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    with _proxies(lambda *_: over.cancel()) as (ring,):
        timer = js.setTimeout(ring, 1_000.0 * patience_s)
        try:
            await asyncio.wait((future, over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            js.clearTimeout(timer)
    if not future.done():
        raise StorageError(
            "The browser's storage for this site gives no answer. Another tab may be holding it, "
            "or the disk is slow: close the other tabs of this site, then try again. Nothing "
            "that was saved before is lost.",
            detail=f"no answer in {patience_s} s",
        )


@contextmanager
def _proxies(*functions: Callable[..., Any]) -> Iterator[tuple[Any, ...]]:
    made = tuple(create_proxy(function) for function in functions)
    try:
        yield made
    finally:
        for proxy in made:
            proxy.destroy()


# --- errors ----------------------------------------------------------------------------


def error_from(error: Any) -> StorageError:
    """What a DOMException means. (`error` may be thrown, or read off a request.)"""
    name, detail = str(error.name), f"{error.name}: {error.message}"[:500]
    if name == "QuotaExceededError":
        return StorageFull(
            "There is no room left: the browser gives this site no more storage, or the disk is "
            "full. What was saved before still stands. Clear runs that you no longer need.",
            detail=detail,
        )
    if name == "VersionError":
        return NewerStorage(
            "What this browser has stored was written by a newer version of Backburner. It is "
            "left as it is. Reload the page to get the newer version.",
            detail=detail,
        )
    if name in _DENIED:
        return denied(detail)
    return StorageError(
        "The browser's storage failed. What was saved before still stands; if it happens again, "
        "close the other tabs of this site and reload the page.",
        detail=detail,
    )


def denied(detail: str) -> StorageDenied:
    return StorageDenied(
        "The browser does not let this page store anything (a private window, or a setting). "
        "Everything works, but nothing is kept when the page is closed.",
        detail=detail,
    )
