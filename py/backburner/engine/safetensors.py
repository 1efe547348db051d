"""Named arrays as one file: the safetensors layout, written and strictly read.

Eight bytes, little-endian, say how long the header is; the header is JSON (`{"name": {"dtype",
"shape", "data_offsets"}}`, texts under `__metadata__`), filled up with spaces so that the numbers
after it are aligned; the numbers stand one array after the other, without gaps.
(https://github.com/huggingface/safetensors#format)

The reader trusts nothing: a file may have been cut off, changed, or made by somebody else.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backburner.core.errors import Damaged

_LENGTH_BYTES = 8
_ALIGNMENT = 8
_METADATA = "__metadata__"
_DTYPE = "F32"
_ITEM_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """One array: its shape, and its values as little-endian float32."""

    shape: tuple[int, ...]
    data: bytes = field(repr=False)

    def are_finite(self) -> bool:
        """Whether every value is a number, neither infinite nor none.

        (Those that are not have 0x7f or 0xff as their last byte, and so has hardly a weight: few
        are ever looked at one by one.)
        """
        last = self.data[3::4]
        if b"\x7f" not in last and b"\xff" not in last:
            return True
        return all(map(math.isfinite, struct.unpack(f"<{len(last)}f", self.data)))


def to_bytes(arrays: Mapping[str, Numbers], metadata: Mapping[str, str]) -> bytes:
    """The file that holds `arrays`, in their order. The same arrays give the same bytes."""
    header: dict[str, Any] = {_METADATA: dict(metadata)}
    end = 0
    for name, numbers in arrays.items():
        start, end = end, end + len(numbers.data)
        header[name] = {
            "dtype": _DTYPE,
            "shape": list(numbers.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(_LENGTH_BYTES + len(text)) % _ALIGNMENT)
    parts = [len(text).to_bytes(_LENGTH_BYTES, "little"), text]
    return b"".join([*parts, *(numbers.data for numbers in arrays.values())])


def from_bytes(file: bytes) -> tuple[dict[str, Numbers], dict[str, str]]:
    """The arrays, in the order in which they stand, and the metadata.

    Raises Damaged for anything that `to_bytes` would not have written.
    """
    header, body = _split(file)
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _damaged("its metadata is not texts by name")
    arrays: dict[str, Numbers] = {}
    end = 0
    for name, entry in header.items():
        numbers = _numbers(name, entry, body, end)
        end += len(numbers.data)
        arrays[name] = numbers
    if end != len(body):
        raise _damaged(f"{len(body) - end:,} bytes at its end belong to nothing")
    return arrays, metadata


def _split(file: bytes) -> tuple[dict[str, Any], memoryview]:
    length = int.from_bytes(file[:_LENGTH_BYTES], "little")
    if len(file) < _LENGTH_BYTES or length > len(file) - _LENGTH_BYTES:
        raise _damaged(f"it ends after {len(file):,} bytes, in the middle of its header")
    try:
        text = file[_LENGTH_BYTES : _LENGTH_BYTES + length].decode()
        header = json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise _damaged("its header is not JSON", str(error)) from None
    if not isinstance(header, dict):
        raise _damaged("its header is not an object")
    return header, memoryview(file)[_LENGTH_BYTES + length :]


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets a name stand twice, and the last one wins: no way to lose an array here."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _numbers(name: str, entry: object, body: memoryview, expected_start: int) -> Numbers:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise _damaged(f"it does not describe {name!r}")
    if entry["dtype"] != _DTYPE:
        raise _damaged(f"{name!r} is not of float32", str(entry["dtype"])[:40])
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _are_counts(shape) or not _are_counts(offsets) or len(offsets) != 2:
        raise _damaged(f"{name!r} has no shape or place that could be")
    start, end = offsets
    if start != expected_start or not start <= end <= len(body):
        raise _damaged(f"{name!r} does not stand where the one before it ends, or is cut off")
    if math.prod(shape) * _ITEM_BYTES != end - start:
        raise _damaged(f"{name!r} has more or fewer numbers than its shape says")
    return Numbers(shape=tuple(shape), data=bytes(body[start:end]))


def _are_counts(value: object) -> bool:
    return isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)


def _damaged(problem: str, detail: str | None = None) -> Damaged:
    return Damaged(
        f"A file of stored weights cannot be used: {problem}. It was cut off or changed since it "
        "was written.",
        detail=detail,
    )
