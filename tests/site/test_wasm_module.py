"""What a module says of itself, and what must not be let into another one's memory."""

import pytest

from backburner_site.wasm_module import MAGIC, Kind, WasmModule


def name(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def section(number: int, *entries: bytes) -> bytes:
    content = bytes([len(entries)]) + b"".join(entries)
    return bytes([number, len(content)]) + content


MEMORY_IMPORT = name("env") + name("memory") + bytes([Kind.MEMORY, 0, 1])
FUNCTION_IMPORT = name("env") + name("memcpy") + bytes([Kind.FUNCTION, 0])
STACK_EXPORT = name("__stack_pointer") + bytes([Kind.GLOBAL, 0])
FUNCTION_EXPORT = name("add_bias") + bytes([Kind.FUNCTION, 0])
OWN_MEMORY = section(5, bytes([0, 1]))
START = bytes([8, 1, 0])
DATA = section(11, bytes([0, 0x41, 0, 0x0B, 1, 7]))


def a_module(
    imports: tuple[bytes, ...] = (MEMORY_IMPORT,),
    exports: tuple[bytes, ...] = (STACK_EXPORT, FUNCTION_EXPORT),
    *more: bytes,
) -> bytes:
    custom = bytes([0, 130, 1]) + name("producers") + bytes(120)  # a length of two bytes
    return MAGIC + section(2, *imports) + section(7, *exports) + b"".join(more) + custom


def test_a_module_that_works_in_anothers_memory_has_no_faults() -> None:
    module = WasmModule.from_bytes(a_module())
    assert module.imports == {"env.memory": Kind.MEMORY}
    assert module.exports == {"__stack_pointer": Kind.GLOBAL, "add_bias": Kind.FUNCTION}
    assert module.faults() == []


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (a_module((MEMORY_IMPORT,), (STACK_EXPORT, FUNCTION_EXPORT), DATA), "data section"),
        (
            a_module((MEMORY_IMPORT,), (STACK_EXPORT, FUNCTION_EXPORT), OWN_MEMORY),
            "a memory of its own",
        ),
        (a_module((MEMORY_IMPORT,), (STACK_EXPORT, FUNCTION_EXPORT), START), "runs code"),
        (a_module((MEMORY_IMPORT, FUNCTION_IMPORT)), "it imports env.memcpy"),
        (a_module(()), "does not import env.memory"),
        (a_module((MEMORY_IMPORT,), (FUNCTION_EXPORT,)), "does not export __stack_pointer"),
        (a_module((MEMORY_IMPORT,), (STACK_EXPORT,)), "exports no function"),
    ],
)
def test_each_fault_is_said(module: bytes, words: str) -> None:
    (fault,) = WasmModule.from_bytes(module).faults()
    assert words in fault


@pytest.mark.parametrize("module", [b"", b"<!doctype html>", a_module()[:-1], a_module()[:20]])
def test_what_is_no_module_is_refused(module: bytes) -> None:
    with pytest.raises(ValueError, match="it "):
        WasmModule.from_bytes(module)
