"""The one place where the engine meets TF.js.

Owns every call to `js.tf`: uploads and downloads, the operations that the engine uses,
gradients, backends, memory. A tensor outside of this file is an opaque thing that is handed
back to `Tensors`. TF.js's exceptions end here, as BackendError.

Who owns what: inside `with tensors.scope():` every new tensor dies with the scope, except
the ones given to `keep`; those are the caller's to `dispose`. A scope must not span an
`await`: TF.js has one stack of scopes, and another task would put its tensors into ours.

The module is imported into the build-time memory snapshot, in Node: it must not touch a
JavaScript object before it is called.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import js
from pyodide.ffi import JsException, create_proxy, to_js

from backburner.core.errors import BackendError

Tensor: TypeAlias = Any
"""A TF.js tensor, as a proxy."""

Buffer: TypeAlias = "bytes | bytearray | memoryview | array[int] | array[float]"
Backend = Literal["wasm", "cpu", "webgl", "webgpu"]

_IMMEDIATE = ("wasm", "cpu")
"""Backends that compute at the call, and whose numbers can be read without waiting."""


def _failed(operation: str, error: JsException) -> BackendError:
    return BackendError(
        f'The calculation was interrupted: TF.js could not do "{operation}". The memory may be '
        f"full, or the graphics processor was reset. Try again, with a smaller model or batch, or "
        f"on another backend.",
        detail=f"{operation}: {error}"[:2000],
    )


class Tensors:
    """TF.js's operations with Python's names and types, on the backend that is in use."""

    def __init__(self, tf: Any) -> None:
        self._tf = tf

    def _run(self, operation: str, *arguments: Any) -> Any:
        try:
            return getattr(self._tf, operation)(*arguments)
        except JsException as error:
            raise _failed(operation, error) from None

    # --- backend and memory ------------------------------------------------------------

    async def use_backend(self, name: Backend) -> None:
        """Makes `name` the backend. Raises BackendError when the browser cannot start it.

        Tensors that are already there stay on the backend that made them.
        """
        try:
            chosen = await self._tf.setBackend(name)
            await self._tf.ready()
        except JsException as error:
            raise _no_backend(name, str(error)) from None
        if not chosen or self.backend != name:
            raise _no_backend(name, f"setBackend gave {chosen}, in use is {self.backend}")

    @property
    def backend(self) -> str:
        return str(self._tf.getBackend())

    def memory(self) -> dict[str, int]:
        """How many tensors there are, and the bytes they hold."""
        memory = self._run("memory")
        return {"tensors": int(memory.numTensors), "bytes": int(memory.numBytes)}

    def has_kernel(self, name: str, backend: str) -> bool:
        return bool(self._run("getKernel", name, backend))

    def register_kernel(
        self, name: str, backend: str, function: Callable[[Any, Any], Tensor]
    ) -> None:
        """Adds what TF.js lacks: `function(inputs, attrs) -> tensor`, for good.

        The function's proxy lives as long as the interpreter. Its new tensors die when it
        returns, except its result.
        """

        def kernel(call: Any) -> Tensor:
            return self._in_scope(name, lambda: function(call.inputs, call.attrs))

        self._register({"kernelName": name, "backendName": backend}, kernel)

    def wrap_kernel(
        self,
        name: str,
        backend: str,
        function: Callable[[Any, Any, Callable[..., Tensor]], Tensor],
    ) -> None:
        """Replaces a kernel of TF.js by `function(inputs, attrs, stock) -> tensor`, for good.

        `stock(**inputs)` calls the replaced one. Lifetimes as in `register_kernel`.
        """
        stock = self._run("getKernel", name, backend)

        def kernel(call: Any) -> Tensor:
            def original(**inputs: Tensor) -> Tensor:
                given = {"inputs": inputs, "backend": call.backend, "attrs": call.attrs}
                return stock.kernelFunc(to_js(given, create_pyproxies=False))

            return self._in_scope(name, lambda: function(call.inputs, call.attrs, original))

        config = {"kernelName": name, "backendName": backend}
        if stock.setupFunc:
            # A backend that starts only later calls it then, and stock needs that.
            config["setupFunc"] = stock.setupFunc
        self._run("unregisterKernel", name, backend)
        self._register(config, kernel)

    def _in_scope(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        engine = self._tf.engine()
        engine.startScope(name)
        result = None
        try:
            result = compute()
        finally:
            engine.endScope(result)
        return result

    def _register(self, config: dict[str, Any], kernel: Callable[[Any], Tensor]) -> None:
        converted = to_js(config, create_pyproxies=False)
        converted.kernelFunc = create_proxy(kernel)
        self._run("registerKernel", converted)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Disposes every tensor made inside, except those given to `keep`."""
        engine = self._tf.engine()
        engine.startScope("backburner")
        try:
            yield
        finally:
            engine.endScope()

    def keep(self, tensor: Tensor) -> Tensor:
        """Lets a tensor outlive its scope; it is the caller's from now on."""
        return self._run("keep", tensor)

    def dispose(self, *tensors: Tensor) -> None:
        for tensor in tensors:
            try:
                tensor.dispose()
            except JsException as error:
                raise _failed("dispose", error) from None

    def clone(self, tensor: Tensor) -> Tensor:
        """The same numbers under another name, which outlives the first."""
        return self._run("clone", tensor)

    def shape(self, tensor: Tensor) -> tuple[int, ...]:
        return tuple(tensor.shape)

    # --- to and from the backend -------------------------------------------------------

    def from_bytes(
        self, data: Buffer, shape: Sequence[int], dtype: Literal["uint8", "int32", "float32"]
    ) -> Tensor:
        """Uploads numbers in one go. `uint8` become float32 on the way."""
        view = memoryview(data).cast("B")
        try:
            raw = js.Uint8Array.new(view.nbytes)
            raw.assign(view)
            match dtype:
                case "uint8":
                    numbers = js.Float32Array.new(raw)
                case "int32":
                    numbers = js.Int32Array.new(raw.buffer)
                case "float32":
                    numbers = js.Float32Array.new(raw.buffer)
        except JsException as error:
            raise _failed("upload", error) from None
        kind = "int32" if dtype == "int32" else "float32"
        return self._run("tensor", numbers, _list(shape), kind)

    def floats(self, numbers: Iterable[float], shape: Sequence[int]) -> Tensor:
        return self.from_bytes(array("f", numbers), shape, "float32")

    def integers(self, numbers: Iterable[int]) -> Tensor:
        """A vector of int32."""
        values = array("i", numbers)
        return self.from_bytes(values, (len(values),), "int32")

    async def read(self, tensor: Tensor) -> bytes:
        """A tensor's numbers, little-endian. Does not yield on wasm and cpu."""
        try:
            if self.backend in _IMMEDIATE:
                return bytes(tensor.dataSync().to_bytes())
            return bytes((await tensor.data()).to_bytes())
        except JsException as error:
            raise _failed("read", error) from None

    async def read_floats(self, tensor: Tensor) -> array[float]:
        numbers = array("f")
        numbers.frombytes(await self.read(tensor))
        return numbers

    # --- gradients ---------------------------------------------------------------------

    def value_and_gradients(
        self, function: Callable[[list[Tensor]], Tensor], variables: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """`function(variables)`, one number, and its gradient by each variable.

        What else the function computes must leave it by `keep`. To be called in a scope.
        """
        raised: list[BaseException] = []

        def call(*given: Tensor) -> Tensor:
            try:
                return function(list(given))
            except BaseException as error:
                raised.append(error)
                raise

        proxy = create_proxy(call)
        try:
            result = self._tf.valueAndGrads(proxy)(_list(variables))
            return result.value, list(result.grads)
        except JsException as error:
            if raised:
                raise raised[0] from None
            raise _failed("gradient", error) from None
        finally:
            proxy.destroy()

    # --- layers' operations ------------------------------------------------------------

    def conv2d(self, x: Tensor, kernel: Tensor, strides: tuple[int, int], padding: str) -> Tensor:
        return self._run("conv2d", x, kernel, _list(strides), padding)

    def max_pool(
        self, x: Tensor, size: tuple[int, int], strides: tuple[int, int], padding: str
    ) -> Tensor:
        return self._run("maxPool", x, _list(size), _list(strides), padding)

    def average_pool(
        self, x: Tensor, size: tuple[int, int], strides: tuple[int, int], padding: str
    ) -> Tensor:
        return self._run("avgPool", x, _list(size), _list(strides), padding)

    def matmul(
        self, a: Tensor, b: Tensor, *, transpose_a: bool = False, transpose_b: bool = False
    ) -> Tensor:
        return self._run("matMul", a, b, transpose_a, transpose_b)

    def relu(self, x: Tensor) -> Tensor:
        return self._run("relu", x)

    def tanh(self, x: Tensor) -> Tensor:
        return self._run("tanh", x)

    def sigmoid(self, x: Tensor) -> Tensor:
        return self._run("sigmoid", x)

    def softmax(self, x: Tensor) -> Tensor:
        return self._run("softmax", x)

    def log_softmax(self, x: Tensor) -> Tensor:
        return self._run("logSoftmax", x)

    # --- arithmetic; a second operand may be a number ----------------------------------

    def add(self, a: Tensor, b: Tensor | float) -> Tensor:
        return self._run("add", a, b)

    def subtract(self, a: Tensor, b: Tensor | float) -> Tensor:
        return self._run("sub", a, b)

    def multiply(self, a: Tensor, b: Tensor | float) -> Tensor:
        return self._run("mul", a, b)

    def divide(self, a: Tensor | float, b: Tensor) -> Tensor:
        return self._run("div", a, b)

    def clip(self, x: Tensor, low: float, high: float) -> Tensor:
        return self._run("clipByValue", x, low, high)

    def maximum(self, a: Tensor, b: Tensor | float) -> Tensor:
        return self._run("maximum", a, b)

    def square(self, x: Tensor) -> Tensor:
        return self._run("square", x)

    def sqrt(self, x: Tensor) -> Tensor:
        return self._run("sqrt", x)

    def sum(self, x: Tensor, axis: int | None = None) -> Tensor:
        return self._run("sum", x) if axis is None else self._run("sum", x, axis)

    def mean(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        return self._run("mean", x, _list(axes))

    def max(self, x: Tensor, axis: int) -> Tensor:
        return self._run("max", x, axis)

    def arg_max(self, x: Tensor, axis: int) -> Tensor:
        return self._run("argMax", x, axis)

    def equal(self, a: Tensor, b: Tensor) -> Tensor:
        return self._run("equal", a, b)

    def is_positive(self, x: Tensor) -> Tensor:
        """1 where a number is above 0, else 0; as floats."""
        return self._run("step", x)

    def as_float(self, x: Tensor) -> Tensor:
        return self._run("cast", x, "float32")

    # --- shapes ------------------------------------------------------------------------

    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        return self._run("reshape", x, _list(shape))

    def gather(self, x: Tensor, indexes: Tensor) -> Tensor:
        """The examples at `indexes`, along the first axis."""
        return self._run("gather", x, indexes)

    def stack(self, parts: Sequence[Tensor]) -> Tensor:
        return self._run("stack", _list(parts))

    def pad(self, x: Tensor, sides: Sequence[tuple[int, int]]) -> Tensor:
        return self._run("pad", x, to_js([list(side) for side in sides]))

    def transpose(self, x: Tensor, order: Sequence[int]) -> Tensor:
        return self._run("transpose", x, _list(order))

    def reverse(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        return self._run("reverse", x, _list(axes))

    def slice(self, x: Tensor, begin: Sequence[int], size: Sequence[int]) -> Tensor:
        return self._run("slice", x, _list(begin), _list(size))

    def strided_slice(
        self, x: Tensor, begin: Sequence[int], end: Sequence[int], strides: Sequence[int]
    ) -> Tensor:
        return self._run("stridedSlice", x, _list(begin), _list(end), _list(strides))


def _list(values: Iterable[Any]) -> Any:
    """A JavaScript array; tensors in it stay the tensors they are."""
    return to_js(list(values), create_pyproxies=False)


def _no_backend(name: str, detail: str) -> BackendError:
    return BackendError(
        f'The backend "{name}" could not be started: this browser may not have it, or a file of '
        f"the site is missing. Choose another backend, wasm or cpu for example.",
        detail=detail[:2000],
    )
