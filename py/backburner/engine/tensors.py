"""The one place where the engine meets TF.js.

Owns every call to `js.tf`: uploads and downloads, the operations that the engine uses,
gradients, backends, memory. A tensor outside of this file is an opaque thing that is handed
back to `Tensors`. TF.js's exceptions end here, as BackendError.

Who owns what: inside `with tensors.scope():` every new tensor dies with the scope, except
the ones given to `keep`; those are the caller's to `dispose`. A scope must not span an
`await`: TF.js has one stack of scopes, and another task would put its tensors into ours.

TF.js has one current backend in a thread, too, and two models of one worker may live on two.
`on(backend)` gives Tensors of one backend, which make it the current one whenever a scope
begins; where numbers are read, TF.js knows by itself which backend has them.

The module is imported into the build-time memory snapshot, in Node: it must not touch a
JavaScript object before it is called.
"""

from __future__ import annotations

import math
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
    """TF.js's operations with Python's names and types.

    On one backend (`on`), or on whichever is the current one.
    """

    def __init__(self, tf: Any, backend: str | None = None) -> None:
        self._tf = tf
        self._bound = backend

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

    async def start_backend(self, name: str) -> None:
        """Has `name` ready for `on(name)`. Raises BackendError when the browser cannot start it.

        Not by TF.js's `setBackend`: until an asynchronous start is over, that leaves the thread
        without any backend, and whoever computes meanwhile fails.
        """
        registry = self._tf.engine().registry
        if getattr(registry, name, None):
            return
        try:
            if not self._tf.findBackendFactory(name):
                await js.backburnerLoadBackend(name)
            factory = self._tf.findBackendFactory(name)
            if not factory or (name == "webgpu" and not await js.navigator.gpu.requestAdapter()):
                raise _no_backend(name, "this browser does not have it")
            made = factory()
            backend = await made if hasattr(made, "then") else made
        except (JsException, AttributeError) as error:
            raise _no_backend(name, str(error)) from None
        # Another task may have started it meanwhile; its tensors are on that one.
        if not getattr(registry, name, None):
            setattr(registry, name, backend)

    def on(self, name: str) -> Tensors:
        """The same operations on that backend, which has been started."""
        return Tensors(self._tf, name)

    def unbound(self) -> Tensors:
        """The same operations on whatever backend is current when they are called."""
        return Tensors(self._tf)

    @property
    def backend(self) -> str:
        return self._bound or str(self._tf.getBackend())

    def _make_current(self) -> None:
        # Of one that is started, `setBackend` has done its work when it returns; its promise
        # says nothing more.
        if self._bound is not None and str(self._tf.getBackend()) != self._bound:
            self._run("setBackend", self._bound)

    def check_alive(self) -> None:
        """Raises BackendError when the graphics card has taken its memory back.

        TF.js's webgl goes on then as if nothing were, with zeros; or it waits for ever.
        """
        if self.backend != "webgl":
            return
        backend = self._tf.findBackend("webgl")
        if backend and backend.gpgpu.gl.isContextLost():
            raise BackendError(
                "The graphics processor was reset, or another program took its memory: what was "
                "on it is lost. Try again, or on another backend.",
                detail="webgl: the context is lost",
            )

    def memory(self) -> dict[str, int]:
        """How many tensors there are, and the bytes they hold."""
        memory = self._run("memory")
        return {"tensors": int(memory.numTensors), "bytes": int(memory.numBytes)}

    def wasm_heap(self) -> Any:
        """The wasm backend's module: its memory, and the functions that hand out pieces of it.

        Raises BackendError when that backend is not the one in use.
        """
        if self.backend != "wasm":
            raise _no_backend("wasm", f"in use is {self.backend}")
        return self._tf.findBackend("wasm").wasm

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
        setup = getattr(stock, "setupFunc", None)
        if setup:
            # A backend that starts only later calls it then, and stock needs that.
            config["setupFunc"] = setup
        self._run("unregisterKernel", name, backend)
        self._register(config, kernel)

    def replace_kernel(
        self, name: str, function: Callable[[Any, Any, Callable[[], Tensor]], Tensor]
    ) -> None:
        """Replaces a kernel of wasm's by `function(inputs, attrs, stock) -> tensor`, for good.

        `stock()` does what the replaced kernel does; so does every call that comes from another
        instance of the backend than the one in use now. `function` makes no tensor but its result.
        """
        heap = self.wasm_heap()
        stock = self._run("getKernel", name, "wasm")
        # A kernel of an earlier instance stands for the same stock one.
        stock = getattr(stock, "replaced", None) or stock

        def kernel(call: Any) -> Tensor:
            def original() -> Tensor:
                if stock is None:
                    raise BackendError(
                        "TF.js cannot do this calculation here. Choose another backend, cpu for "
                        "example.",
                        detail=f"{name} of this kind is missing on wasm",
                    )
                return stock.kernelFunc(call)

            if call.backend.wasm.js_id != heap.js_id:
                return original()
            return function(call.inputs, call.attrs, original)

        config = {"kernelName": name, "backendName": "wasm"}
        if stock is not None:
            config["replaced"] = stock
            setup = getattr(stock, "setupFunc", None)
            if setup:  # as in wrap_kernel
                config["setupFunc"] = setup
        if self.has_kernel(name, "wasm"):
            self._run("unregisterKernel", name, "wasm")
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

    # --- tensors where they lie, on wasm ------------------------------------------------

    def make(self, shape: Any) -> Tensor:
        """Room for float32 of a shape (a sequence, or TF.js's own array), with whatever lies there.

        For the kernels that `replace_kernel` registers: the result of one, not yet a tensor.
        Raises BackendError when the memory is full.
        """
        backend = self._tf.findBackend("wasm")
        made = backend.makeOutput(_list(shape) if isinstance(shape, tuple) else shape, "float32")
        # TF.js doesn't ask whether its malloc has found something.
        if backend.dataIdMap.get(made.dataId).memoryOffset == 0 and math.prod(shape):
            backend.disposeData(made.dataId)
            raise BackendError(
                "The memory is full. Use a smaller model or a smaller batch, or close other tabs.",
                detail=f"no room for a tensor of shape {list(shape)}",
            )
        return made

    def address(self, tensor: Tensor) -> int:
        """Where a tensor's numbers begin in the wasm backend's memory, for as long as it lives."""
        return int(self._tf.findBackend("wasm").dataIdMap.get(tensor.dataId).memoryOffset)

    def convolution_window(
        self,
        shape: Any,
        filter_shape: Any,
        strides: Any,
        dilations: Any,
        padding: Any,
        rounding: str | None,
        *,
        depthwise: bool,
    ) -> Any:
        """What TF.js finds out about a convolution (a Conv2DInfo); all arguments are its own."""
        return self._tf.backend_util.computeConv2DInfo(
            shape, filter_shape, strides, dilations, padding, rounding, depthwise
        )

    def pooling_window(
        self, shape: Any, size: Any, strides: Any, padding: Any, rounding: str | None
    ) -> Any:
        """The same of a pooling."""
        return self._tf.backend_util.computePool2DInfo(shape, size, strides, 1, padding, rounding)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Disposes every tensor made inside, except those given to `keep`.

        Inside, this is the current backend.
        """
        self._make_current()
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
        self._make_current()
        return self._run("tensor", numbers, _list(shape), kind)

    def floats(self, numbers: Iterable[float], shape: Sequence[int]) -> Tensor:
        return self.from_bytes(array("f", numbers), shape, "float32")

    def integers(self, numbers: Iterable[int]) -> Tensor:
        """A vector of int32."""
        values = array("i", numbers)
        return self.from_bytes(values, (len(values),), "int32")

    async def read(self, tensor: Tensor) -> bytes:
        """A tensor's numbers, little-endian. Does not yield on wasm and cpu."""
        if self.backend in _IMMEDIATE:
            return self.read_now(tensor)
        try:
            self.check_alive()
            return bytes((await tensor.data()).to_bytes())
        except JsException as error:
            raise _failed("read", error) from None

    def read_now(self, tensor: Tensor) -> bytes:
        """As `read`, on wasm and cpu, whose numbers need no waiting for."""
        try:
            return bytes(tensor.dataSync().to_bytes())
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

    def erf(self, x: Tensor) -> Tensor:
        """The error function, which TF.js approximates to 1.5e-7; its gradient is exact."""
        return self._run("erf", x)

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

    def mean(self, x: Tensor, axes: Sequence[int], *, keep_axes: bool = False) -> Tensor:
        return self._run("mean", x, _list(axes), keep_axes)

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

    def as_integer(self, x: Tensor) -> Tensor:
        return self._run("cast", x, "int32")

    def one_hot(self, indexes: Tensor, count: int) -> Tensor:
        """A side of `count` numbers more: 1 at each index, 0 elsewhere; as floats."""
        return self.as_float(self._run("oneHot", indexes, count))

    # --- shapes ------------------------------------------------------------------------

    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        return self._run("reshape", x, _list(shape))

    def gather(self, x: Tensor, indexes: Tensor) -> Tensor:
        """The examples at `indexes`, along the first axis."""
        return self._run("gather", x, indexes)

    def stack(self, parts: Sequence[Tensor]) -> Tensor:
        return self._run("stack", _list(parts))

    def concat(self, parts: Sequence[Tensor]) -> Tensor:
        """The parts one after the other, along the first axis."""
        return self._run("concat", _list(parts), 0)

    def pad(self, x: Tensor, sides: Sequence[tuple[int, int]]) -> Tensor:
        return self._run("pad", x, to_js([list(side) for side in sides]))

    def transpose(self, x: Tensor, order: Sequence[int]) -> Tensor:
        return self._run("transpose", x, _list(order))

    def reverse(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        return self._run("reverse", x, _list(axes))

    def transform(self, x: Tensor, coefficients: Sequence[float]) -> Tensor:
        """Pictures [batch, height, width, channels], each moved as its six coefficients say.

        What comes between places is blended of the four around it, what comes from outside is 0.
        """
        batch, height, width, _ = shape = self.shape(x)
        rows = [coefficients[at : at + 6] for at in range(0, len(coefficients), 6)]
        # TF.js's transformations have two more numbers, which would make them projections.
        wanted = self.floats((n for row in rows for n in (*row, 0.0, 0.0)), (batch, 8))

        def moved(images: Tensor, how: Tensor) -> Tensor:
            size = _list((height, width))
            try:
                return self._tf.image.transform(images, how, "bilinear", "constant", 0, size)
            except JsException as error:
                raise _failed("transform", error) from None

        if self.backend != "cpu":
            return moved(x, wanted)
        # The cpu backend of TF.js 4.22 moves the first picture of a batch and leaves the others
        # black: its loop over the batch returns too early.
        one = (1, *shape[1:])
        return self.concat(
            [
                moved(self.slice(x, (n, 0, 0, 0), one), self.slice(wanted, (n, 0), (1, 8)))
                for n in range(batch)
            ]
        )

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
