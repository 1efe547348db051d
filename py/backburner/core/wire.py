"""How a message stands on the wire: one JSON text, and beside it at most a few buffers.

Owns the envelope and the one encode/decode pair. Knows nothing of ports: whoever holds a
port posts what `encode` gives. A text that does not fit is refused here, once, with an error
that names the tag and the field; past this border messages are trusted.

The envelope is `{"v", "tag", "generation", "request", "operation", "body"}`. `generation`
counts the workers that the page has started: a late message of a replaced one is recognised
by it. `request` and `operation` are None where a message answers nothing or concerns no
operation.
"""

from __future__ import annotations

import json
import math
import types
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from backburner.core.errors import BadField, LocalProtocolError, NotJson, UnknownTag
from backburner.core.messages import BY_TAG, Message
from backburner.core.options import LARGEST_SAFE_INTEGER, closest, show

PROTOCOL_VERSION = 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message with its address.

    `buffers` are what travelled beside the text, in whatever type the port gave; which buffer
    means what is said by the message's own docstring.
    """

    message: Message
    generation: int
    request: str | None = None
    operation: str | None = None
    buffers: tuple[Any, ...] = ()


def encode(envelope: Envelope) -> str:
    """The JSON text of an envelope (buffers travel beside it).

    Raises LocalProtocolError for what JSON cannot carry (NaN, infinity, functions).
    """
    body = to_json(envelope.message)
    try:
        return json.dumps(
            {
                "v": PROTOCOL_VERSION,
                "tag": envelope.message.tag,
                "generation": envelope.generation,
                "request": envelope.request,
                "operation": envelope.operation,
                "body": body,
            },
            allow_nan=False,
            separators=(",", ":"),
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise LocalProtocolError(
            f"The message {envelope.message.tag} holds something that cannot be sent: only "
            "texts, finite numbers, lists and objects can.",
            key=envelope.message.tag,
            detail=str(error),
        ) from error


def decode(text: object, buffers: tuple[Any, ...] = ()) -> Envelope:
    """The envelope of a JSON text.

    Raises NotJson, UnknownTag or BadField, whose `key` names the place in the message.
    """
    wire = _parse(text)
    version = wire.get("v")
    if version != PROTOCOL_VERSION:
        raise BadField(
            f"The message speaks version {show(version)} of the protocol; this side speaks "
            f"{PROTOCOL_VERSION}. Page and worker come from different builds: reload the page.",
            key="v",
        )
    tag = wire.get("tag")
    if not isinstance(tag, str) or tag not in BY_TAG:
        hint = closest(tag, BY_TAG) if isinstance(tag, str) else ""
        raise UnknownTag(
            f"Nobody here knows the message {show(tag)}. {hint}Was it sent by a newer version? "
            "Reload the page, so that both sides are the same.",
            key="tag",
        )
    kind = BY_TAG[tag]
    return Envelope(
        message=read(kind, wire.get("body"), tag),
        generation=read(int, wire.get("generation"), "generation"),
        request=_read_optional_text(wire.get("request"), "request"),
        operation=_read_optional_text(wire.get("operation"), "operation"),
        buffers=buffers,
    )


def request_of(text: object) -> tuple[str | None, str | None]:
    """The request and operation that a refused text names, where it can be told."""
    try:
        wire = _parse(text)
    except NotJson:
        return None, None
    request, operation = wire.get("request"), wire.get("operation")
    return (
        request if isinstance(request, str) else None,
        operation if isinstance(operation, str) else None,
    )


def read(kind: type[T], value: object, where: str) -> T:
    """`value` as `kind`, built from the JSON it stands in.

    Raises BadField naming the place (`TRAINING_PROGRESS.epoch`).
    """
    return _read(kind, value, where)  # type: ignore[no-any-return]


def to_json(value: Any) -> Any:
    """A message, or a part of one, as the JSON that `read` builds it from."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_json(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    return value


def _parse(text: object) -> dict[str, Any]:
    if not isinstance(text, str):
        raise NotJson(
            f"A message must be one JSON text; this is a {type(text).__name__}. "
            "Send {text: JSON.stringify(…), buffers: […]}.",
            key="text",
        )
    try:
        wire = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotJson(
            "A message is not JSON. It was cut off, or it is not meant for this port.",
            key="text",
            detail=str(error),
        ) from error
    if not isinstance(wire, dict):
        raise NotJson("A message must be one JSON object with a tag and a body.", key="text")
    return wire


def _read_optional_text(value: object, where: str) -> str | None:
    return None if value is None else read(str, value, where)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(kind: Any, value: object, where: str) -> Any:
    origin = get_origin(kind)
    if kind is Any or kind is object:
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in get_args(kind):
            return None
        (inner,) = [item for item in get_args(kind) if item is not type(None)]
        return _read(inner, value, where)
    if origin is tuple:
        return _read_tuple(get_args(kind), value, where)
    if origin is dict or kind is dict:
        return _expect(dict, "an object", value, where)
    if is_dataclass(kind):
        return _read_object(kind, value, where)
    if kind is bool:
        return _expect(bool, "true or false", value, where)
    if kind is str:
        return _expect(str, "a text", value, where)
    return _read_number(kind, value, where)


def _read_number(kind: Any, value: object, where: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _misfit("a number", value, where)
    # JavaScript's exact integers end here, and an int of 400 digits is no float at all.
    if isinstance(value, int) and abs(value) > LARGEST_SAFE_INTEGER:
        raise _misfit("a number below 2^53", value, where)
    if not math.isfinite(value):
        raise _misfit("a finite number", value, where)
    if kind is float:
        return float(value)
    if isinstance(value, float) and not value.is_integer():
        raise _misfit("a whole number", value, where)
    return int(value)


def _read_tuple(items: tuple[Any, ...], value: object, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _misfit("a list", value, where)
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(_read(items[0], each, f"{where}[{n}]") for n, each in enumerate(value))
    if len(items) != len(value):
        raise _misfit(f"a list of {len(items)}", value, where)
    pairs = zip(items, value, strict=True)
    return tuple(_read(kind, each, f"{where}[{n}]") for n, (kind, each) in enumerate(pairs))


def _read_object(kind: Any, value: object, where: str) -> Any:
    found = _expect(dict, "an object", value, where)
    known = {item.name: item for item in fields(kind)}
    for name in found:
        if name not in known:
            raise BadField(
                f"{where} has no field {show(name)}. {closest(name, known)}"
                f"It has: {', '.join(known) or 'none'}.",
                key=f"{where}.{name}",
            )
    hints = _hints(kind)
    values = {}
    for name, item in known.items():
        if name in found:
            values[name] = _read(hints[name], found[name], f"{where}.{name}")
        elif item.default is MISSING and item.default_factory is MISSING:
            raise BadField(f"{where} lacks its field {name}.", key=f"{where}.{name}")
    return kind(**values)


def _expect(kind: type, words: str, value: object, where: str) -> Any:
    if not isinstance(value, kind):
        raise _misfit(words, value, where)
    return value


def _misfit(words: str, value: object, where: str) -> BadField:
    return BadField(f"{where} must be {words}, but is {show(value)}.", key=where)
