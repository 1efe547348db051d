"""The adapter to our own kernels, which work in the memory of TF.js's wasm backend.

Owns the module's instance (workers/kernels/, compiled by the build), its stack, and the pieces of
that memory that are handed out. An address is an int, and nothing is checked at a call: whoever
calls knows shapes and sizes. The memory may grow at any time and then every view of it is
renewed by the backend, so none is kept here; addresses stay.

Like engine/tensors.py it must not touch a JavaScript object before it is called, and no JavaScript
exception leaves it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, cast

import js
from pyodide.ffi import JsException, to_js

from backburner.core.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backburner.engine.tensors import Buffer, Tensors

Variant = Literal["simd", "relaxed"]
Kernel: TypeAlias = Callable[..., Any]

STACK_BYTES = 64 * 1024
ALIGNMENT = 64
"""A cache line: what begins at one shares it with nobody."""


class Kernels:
    """The kernels on one thread's wasm backend. Made by `load`, once; lives as long as that."""

    _loaded: ClassVar[dict[Variant, Kernels]] = {}

    def __init__(self, heap: Any, exports: Any, variant: Variant) -> None:
        self.variant = variant
        self.allocated_bytes = 0
        self.are_registered = False
        """Whether engine/registered.py has put them into TF.js's places."""
        self.are_withdrawn = False
        """Whether they were found wrong here: TF.js's own compute in their places again."""
        self._heap = heap
        self._exports = exports
        self._sizes: dict[int, tuple[int, int]] = {}
        self._scratch = 0
        self._scratch_bytes = 0
        self._stack = self.allocate(STACK_BYTES)
        self._reset_stack()

    @classmethod
    async def load(cls, tensors: Tensors, module: Any, variant: Variant) -> Kernels:
        """Instantiates a compiled module (a `WebAssembly.Module`) on the wasm backend's memory.

        A thread whose kitchen is opened again gets those that it has: their stack, and the places
        that they took in TF.js, are for good.

        Raises BackendError when the backend is not the one in use or the module does not fit.
        """
        try:
            heap = tensors.wasm_heap()
            loaded = cls._loaded.get(variant)
            if loaded is not None and js.Object.is_(loaded._heap, heap):
                return loaded
            imports = to_js({"env": {"memory": _memory(heap)}}, create_pyproxies=False)
            instance = await js.WebAssembly.instantiate(module, imports)
            cls._loaded[variant] = made = cls(heap, instance.exports, variant)
            return made
        except (JsException, AttributeError) as error:
            raise BackendError(
                "The fast kernels could not be loaded, so TensorFlow.js's own would have to do. "
                "Reload the page to try again.",
                detail=str(error)[:2000],
            ) from None

    def _reset_stack(self) -> None:
        """Without a place of its own the stack would lie in the backend's data.

        A kernel that traps leaves the pointer where it was then; so it is set again after each.
        """
        pointer = getattr(self._exports, "__stack_pointer")
        pointer.value = self._stack + STACK_BYTES

    # --- memory ------------------------------------------------------------------------

    def allocate(self, size: int) -> int:
        """The address of `size` bytes of zeros, aligned to a cache line; the caller's to `free`.

        Raises BackendError when there is no room.
        """
        asked = size + ALIGNMENT
        with _as_backend_errors("allocate"):
            # JavaScript would take what is too large modulo 2^32, and gives addresses as int32.
            given = int(self._heap._malloc(asked)) & 0xFFFF_FFFF if 0 < asked < 2**32 else 0
            if not given:
                raise BackendError(
                    f"There is no room for {size / 1e6:,.0f} MB more: the memory is full. Use a "
                    "smaller model or a smaller batch, or close other tabs.",
                    detail=f"malloc({asked})",
                )
            address = -(-given // ALIGNMENT) * ALIGNMENT
            self._heap.HEAPU8.fill(0, address, address + size)
        self._sizes[address] = given, size
        self.allocated_bytes += size
        return address

    def free(self, address: int) -> None:
        """Gives a piece back."""
        given, size = self._sizes.pop(address)
        self.allocated_bytes -= size
        with _as_backend_errors("free"):
            self._heap._free(given)

    def scratch(self, size: int) -> int:
        """The address of at least `size` bytes for one call; the next one may get the same.

        There is one such space, which grows and is never given back.
        """
        if not 0 <= size <= self._scratch_bytes:
            if self._scratch_bytes:
                self.free(self._scratch)
                self._scratch = self._scratch_bytes = 0
            self._scratch = self.allocate(size)
            self._scratch_bytes = size
        return self._scratch

    def write(self, address: int, data: Buffer) -> None:
        """Copies a buffer's bytes to an address."""
        view = memoryview(data).cast("B")
        with _as_backend_errors("write"):
            self._heap.HEAPU8.subarray(address, address + view.nbytes).assign(view)

    def read(self, address: int, size: int) -> bytes:
        """A copy of `size` bytes."""
        with _as_backend_errors("read"):
            return bytes(self._heap.HEAPU8.subarray(address, address + size).to_bytes())

    def read_floats(self, address: int, count: int) -> tuple[float, ...]:
        """A few float32."""
        return struct.unpack(f"<{count}f", self.read(address, 4 * count))

    # --- kernels -----------------------------------------------------------------------

    def bind(self, name: str, *arguments: float) -> Kernel:
        """A kernel with its first arguments fixed, so that a call converts only the others.

        The JavaScript function behind it lives as long as what is returned.
        """
        with _as_backend_errors(name):
            return cast(Kernel, getattr(self._exports, name).bind(None, *arguments))

    def call(self, name: str, *arguments: float) -> Any:
        """Calls a kernel once; what it returns is a number or None."""
        with self.calling(name):
            return getattr(self._exports, name)(*arguments)

    @contextmanager
    def calling(self, what: str) -> Iterator[None]:
        """Around calls of bound kernels: a trap becomes a BackendError."""
        try:
            with _as_backend_errors(what):
                yield
        except BackendError:
            self._reset_stack()
            raise


@contextmanager
def _as_backend_errors(what: str) -> Iterator[None]:
    try:
        yield
    except JsException as error:
        raise BackendError(
            f'The calculation was interrupted in "{what}". The memory may be full. Try again, with '
            "a smaller model or batch, or on another backend.",
            detail=f"{what}: {error}"[:2000],
        ) from None


def _memory(heap: Any) -> Any:
    """Where the builds of TF.js's backend keep their memory: with threads, and without."""
    return getattr(heap, "wasmMemory", None) or heap.asm.memory
