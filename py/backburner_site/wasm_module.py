"""Reads the sections of a WebAssembly module, as far as the kernels' promises are about them.

The kernels work in the memory of TensorFlow.js's backend. A module that brings data of its own
would write it over the backend's when it is instantiated, without a word; one with a memory of
its own would compute on the wrong numbers. So each is read before it is shipped.

Source: https://webassembly.github.io/spec/core/binary/modules.html
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import assert_never

MAGIC = b"\0asm\x01\0\0\0"
STACK_POINTER = "__stack_pointer"

_IMPORTS, _MEMORIES, _EXPORTS, _START, _DATA = 2, 5, 7, 8, 11


class Kind(IntEnum):
    """What can be imported and exported."""

    FUNCTION = 0
    TABLE = 1
    MEMORY = 2
    GLOBAL = 3
    TAG = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class WasmModule:
    """What a module asks for, gives and brings. `imports` and `exports`: {name: Kind}.

    An import's name is that of its module and its own, with a dot between.
    """

    imports: dict[str, Kind]
    exports: dict[str, Kind]
    own_memories: int
    data_segments: int
    has_start: bool

    @classmethod
    def from_bytes(cls, module: bytes) -> "WasmModule":
        """Raises ValueError for what is no module, or one that is cut off."""
        if not module.startswith(MAGIC):
            raise ValueError("it does not begin as a WebAssembly module does")
        try:
            sections = dict(_sections(_Reader(module, len(MAGIC))))
            return cls(
                imports=dict(_imports(sections[_IMPORTS])) if _IMPORTS in sections else {},
                exports=dict(_exports(sections[_EXPORTS])) if _EXPORTS in sections else {},
                own_memories=sections[_MEMORIES].number() if _MEMORIES in sections else 0,
                data_segments=sections[_DATA].number() if _DATA in sections else 0,
                has_start=_START in sections,
            )
        except IndexError:
            raise ValueError("it ends in the middle") from None

    def faults(self) -> list[str]:
        """Why it must not be let into the backend's memory; empty when it may."""
        found = []
        if self.data_segments:
            found.append("it has a data section, which would overwrite TensorFlow.js's memory")
        if self.own_memories:
            found.append("it has a memory of its own")
        if self.has_start:
            found.append("it runs code when it is instantiated")
        if "env.memory" not in self.imports:
            found.append("it does not import env.memory")
        foreign = sorted(self.imports.keys() - {"env.memory"})
        if foreign:
            found.append(f"it imports {', '.join(foreign)}")
        if self.exports.get(STACK_POINTER) is not Kind.GLOBAL:
            found.append(f"it does not export {STACK_POINTER}")
        if Kind.FUNCTION not in self.exports.values():
            found.append("it exports no function")
        return found


class _Reader:
    """Goes through bytes, and raises IndexError past their end."""

    def __init__(self, data: bytes, place: int = 0) -> None:
        self._data = data
        self._place = place

    def at_end(self) -> bool:
        return self._place >= len(self._data)

    def byte(self) -> int:
        self._place += 1
        return self._data[self._place - 1]

    def number(self) -> int:
        """An unsigned number in LEB128."""
        value = shift = 0
        while (byte := self.byte()) >= 128:
            value |= (byte & 127) << shift
            shift += 7
        return value | byte << shift

    def bytes(self) -> bytes:
        """As many bytes as the number before them says."""
        count = self.number()
        if self._place + count > len(self._data):
            raise IndexError
        self._place += count
        return self._data[self._place - count : self._place]

    def name(self) -> str:
        return self.bytes().decode("utf-8", "replace")

    def limits(self) -> None:
        if self.byte() & 1:
            self.number()
        self.number()


def _sections(reader: _Reader) -> Iterator[tuple[int, _Reader]]:
    while not reader.at_end():
        yield reader.byte(), _Reader(reader.bytes())


def _imports(reader: _Reader) -> Iterator[tuple[str, Kind]]:
    for _ in range(reader.number()):
        name = f"{reader.name()}.{reader.name()}"
        kind = Kind(reader.byte())
        match kind:
            case Kind.FUNCTION:
                reader.number()
            case Kind.TABLE:
                reader.byte()
                reader.limits()
            case Kind.MEMORY:
                reader.limits()
            case Kind.GLOBAL | Kind.TAG:
                reader.byte()
                reader.number()
            case _:
                assert_never(kind)
        yield name, kind


def _exports(reader: _Reader) -> Iterator[tuple[str, Kind]]:
    for _ in range(reader.number()):
        name, kind = reader.name(), Kind(reader.byte())
        reader.number()
        yield name, kind
