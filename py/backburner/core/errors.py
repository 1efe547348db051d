"""Every error that Backburner raises on purpose, as one tree.

::

    BackburnerError
    ├── ConfigurationError          what was asked for cannot work, whoever runs it
    │   ├── RecipeError             a value in the recipe cannot be used
    │   │   └── LayerError          a layer cannot stand where the recipe puts it
    │   └── DataError               the examples cannot be used for what was asked
    ├── ProcessError                it was asked for rightly, and something failed on the way
    │   ├── WorkerError             the worker did not do its part
    │   │   ├── WorkerLost          the worker ended without saying goodbye
    │   │   └── RequestTimeout      the worker gave no answer in time
    │   ├── BackendError            the numbers' machinery (TF.js) refused an operation
    │   ├── TrainingDiverged        the loss stopped being a number
    │   ├── PredecessorLost         what it was to follow was not completed
    │   └── StorageError            the browser did not keep or give back what was stored
    │       ├── StorageFull         there is no room for more
    │       ├── StorageDenied       the browser lets this page store nothing
    │       ├── NewerStorage        what is stored was written by a newer Backburner
    │       ├── Damaged             what is stored is torn, or is not what was written
    │       ├── Expired             it was stored once, and the browser has it no more
    │       └── Dispossessed        the run belongs to another page by now
    ├── ProtocolError               a message between page and worker does not fit
    │   ├── LocalProtocolError      our own side tried to send it: our fault
    │   └── RemoteProtocolError     the other side sent it: its fault
    │       ├── NotJson             it is not one JSON object
    │       ├── UnknownTag          nobody knows this kind of message
    │       └── BadField            a field is missing, or holds what it must not
    ├── LifecycleError              an operation cannot go from the state it is in to the one wanted
    └── InterfaceError              a call from outside makes no sense

A message says what happened, the likely reason and the next step, in words that a
14-year-old understands; `detail` keeps the technical part beside it. An error crosses
threads as `as_dict()` and becomes the same class again in `from_dict`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Self


class BackburnerError(Exception):
    """Anything that Backburner refuses or fails at, with words for people."""

    _by_name: ClassVar[dict[str, type[BackburnerError]]] = {}

    def __init__(self, message: str, *, key: str | None = None, detail: str | None = None) -> None:
        """`key` is the place in the recipe (`training.learning_rate`), where there is one."""
        super().__init__(message)
        self.message = message
        self.key = key
        self.detail = detail

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        BackburnerError._by_name[cls.__name__] = cls

    @property
    def name(self) -> str:
        """The class's name: what the wire and the automation hook call this error."""
        return type(self).__name__

    def as_dict(self, *, detail: bool = False) -> dict[str, str]:
        """`{"name", "message"}`, with `"key"` where there is one, and `"detail"` if asked for."""
        wire = {"name": self.name, "message": self.message}
        if self.key is not None:
            wire["key"] = self.key
        if detail and self.detail is not None:
            wire["detail"] = self.detail
        return wire

    @classmethod
    def from_dict(cls, wire: Mapping[str, object]) -> BackburnerError:
        """The error that `as_dict` was made from.

        A name that this version does not know becomes a plain `BackburnerError`, with the
        name kept in `detail`: a newer worker's error must still reach the reader.
        """
        name = wire.get("name")
        message = wire.get("message")
        key = wire.get("key")
        detail = wire.get("detail")
        found = BackburnerError._by_name.get(name) if isinstance(name, str) else None
        if found is None and name != BackburnerError.__name__:
            detail = f"{name}: {detail}" if detail else str(name)
        return (found or BackburnerError)(
            message if isinstance(message, str) else "Something failed without saying why.",
            key=key if isinstance(key, str) else None,
            detail=detail if isinstance(detail, str) else None,
        )


class ConfigurationError(BackburnerError):
    """What was asked for cannot work, whoever runs it."""


class RecipeError(ConfigurationError):
    """A value in the recipe cannot be used; `key` says which."""


class LayerError(RecipeError):
    """A layer cannot stand where the recipe puts it; `key` is like `model.layers[2]`."""


class DataError(ConfigurationError):
    """The examples cannot be used for what was asked."""


class ProcessError(BackburnerError):
    """It was asked for rightly, and something failed on the way."""


class WorkerError(ProcessError):
    """The worker did not do its part."""


class WorkerLost(WorkerError):  # noqa: N818 - an event's name says more than "...Error"
    """The worker ended without saying goodbye."""


class RequestTimeout(WorkerError):  # noqa: N818
    """The worker gave no answer in time."""


class BackendError(ProcessError):
    """The numbers' machinery (TF.js) refused an operation."""


class TrainingDiverged(ProcessError):  # noqa: N818
    """The loss stopped being a number."""


class PredecessorLost(ProcessError):  # noqa: N818
    """What it was to follow was not completed, so it cannot begin."""


class StorageError(ProcessError):
    """The browser did not keep or give back what was stored."""


class StorageFull(StorageError):  # noqa: N818
    """There is no room for more."""


class StorageDenied(StorageError):  # noqa: N818
    """The browser lets this page store nothing."""


class NewerStorage(StorageError):  # noqa: N818
    """What is stored was written by a newer Backburner, and is left as it is."""


class Damaged(StorageError):  # noqa: N818
    """What is stored is torn, or is not what was written."""


class Expired(StorageError):  # noqa: N818
    """It was stored once, and the browser has it no more."""


class Dispossessed(StorageError):  # noqa: N818
    """The run belongs to another page by now, and only that one may write it."""


class ProtocolError(BackburnerError):
    """A message between page and worker does not fit."""


class LocalProtocolError(ProtocolError):
    """Our own side tried to send a message that does not fit: our fault."""


class RemoteProtocolError(ProtocolError):
    """The other side sent a message that does not fit: its fault."""


class NotJson(RemoteProtocolError):  # noqa: N818
    """What arrived is not one JSON object."""


class UnknownTag(RemoteProtocolError):  # noqa: N818
    """What arrived is a kind of message that nobody here knows."""


class BadField(RemoteProtocolError):  # noqa: N818
    """A field of a message is missing, or holds what it must not."""


class LifecycleError(BackburnerError):
    """An operation cannot go from the state it is in to the one that was wanted."""

    current: str | None = None
    wanted: str | None = None

    @classmethod
    def between(cls, current: str, wanted: str, *, way_out: str = "") -> Self:
        """The refusal of a move from `current` to `wanted`, naming both."""
        message = f"This is {current}, and what is {current} cannot become {wanted}."
        error = cls(f"{message} {way_out}".rstrip(), detail=f"{current} -> {wanted}")
        error.current = current
        error.wanted = wanted
        return error


class InterfaceError(BackburnerError):
    """A call from outside makes no sense: it names an operation that is not there, say."""


# --- families --------------------------------------------------------------------------


class Family(StrEnum):
    """What kind of trouble it is for whoever reads of it; each has its own words and way out."""

    PROCESS = "process"
    CONFIGURATION = "configuration"
    INTERFACE = "interface"


_FAMILIES: tuple[tuple[type[BackburnerError], Family], ...] = (
    (ConfigurationError, Family.CONFIGURATION),
    (LifecycleError, Family.INTERFACE),
    (InterfaceError, Family.INTERFACE),
    (BackburnerError, Family.PROCESS),
)


def family_of(name: str) -> Family:
    """The family of an error's name. What is no error of ours is a mistake in the page itself."""
    found = kinds_of(name)
    return next((family for kind, family in _FAMILIES if kind.__name__ in found), Family.INTERFACE)


def kinds_of(name: str) -> tuple[str, ...]:
    """The names of an error's classes, the nearest first; none for what is no error of ours."""
    if name == BackburnerError.__name__:
        return (name,)
    found = BackburnerError._by_name.get(name)
    if found is None:
        return ()
    return tuple(each.__name__ for each in found.__mro__ if issubclass(each, BackburnerError))
