"""What the worker needs of a database, and how a record stands in it.

A port: worker/database.py implements it on IndexedDB, a fake in the tests in memory; both pass
one suite (tests/worker/database_contract.py). What is kept in it is worker/archive.py's.

A transaction is all its reads at once, one decision made from what they found, and all its
writes at once. It is so because IndexedDB commits a transaction by itself as soon as somebody
waits for something else in it, and because checking who owns a run must be one with writing it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from backburner.core.errors import Damaged

Key = str | tuple[str, int]
"""Keys sort by name, then by number."""

STORES = ("runs", "recipes", "checkpoints", "curves", "datasets", "drawings", "backends")
SCHEMA = 2
"""The version of the database; a newer one is left alone. 2 added `backends` to the stores of 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One record: a JSON text, and bytes beside it, with a sha256 over both.

    A database gives back what it was given only most of the time: a flipped byte on the disk
    comes back without a word.
    """

    text: str
    data: bytes = field(default=b"", repr=False)
    sha256: str

    @classmethod
    def of(cls, text: str, data: bytes = b"") -> Row:
        """A new record, sealed."""
        return cls(text=text, data=data, sha256=_seal(text, data))

    def check(self) -> Row:
        """Itself, if it is what was written. Raises Damaged otherwise."""
        if _seal(self.text, self.data) != self.sha256:
            raise Damaged(
                "A stored record is not what was written: the disk or the browser has changed it.",
                detail=f"{len(self.text)} characters, {len(self.data)} bytes",
            )
        return self


def _seal(text: str, data: bytes) -> str:
    digest = hashlib.sha256(text.encode(errors="surrogatepass") + b"\n")
    digest.update(data)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Get:
    """Reads the row at a key: a Row, or None."""

    store: str
    key: Key


@dataclass(frozen=True, slots=True)
class Keys:
    """Reads the keys that begin with a name, or all: a list, in order."""

    store: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Reads the rows whose keys begin with a name, or all: a list of Row, in order of the keys."""

    store: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """Writes a row, in the place of what was there."""

    store: str
    key: Key
    row: Row


@dataclass(frozen=True, slots=True)
class Delete:
    """Removes the row at a key, if there is one."""

    store: str
    key: Key


Read = Get | Keys | Rows
Write = Put | Delete
Decide = Callable[[list[Any]], Sequence[Write]]


class Database(Protocol):
    """Rows by key in the stores of `STORES`. Opens itself when it is first needed.

    Raises StorageDenied, StorageFull, NewerStorage, or StorageError for anything else.
    """

    async def read(self, *reads: Read) -> list[Any]:
        """What each read finds, all of one moment."""

    async def write(self, stores: Sequence[str], reads: Sequence[Read], decide: Decide) -> None:
        """One transaction over `stores`: `decide(what the reads found)` gives its writes.

        It returns when all of it is safe. When it raises, or `decide` does (its error comes out
        as it is), nothing was written.
        """

    async def close(self) -> None:
        """Lets go of the database; another call opens it again."""
