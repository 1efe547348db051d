"""Compiles the engine's kernels, C to two small WebAssembly modules, and keeps what comes out.

The compiler is zig's clang, from PyPI: one pinned package for every system, of which nothing is
shipped. It is large, so it is installed only when the cache does not hold the modules for exactly
these sources, flags and compiler.

Exactness decides the flags: no -ffast-math, and no contraction of a product and a sum into one
rounding, so that `simd` computes the same everywhere. `relaxed` says in its source where it lets
the processor choose.
"""

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from backburner_site import checkout, environment
from backburner_site.cache import Cache
from backburner_site.errors import BuildFailed
from backburner_site.progress import Progress
from backburner_site.wasm_module import STACK_POINTER, WasmModule

SOURCES = checkout.WORKERS / "kernels"
LOCK = checkout.REQUIREMENTS / "kernels.txt"

VARIANTS: dict[str, tuple[str, ...]] = {
    "simd": (),
    "relaxed": ("-mrelaxed-simd", "-DRELAXED"),
}
"""What is compiled, and with which flags besides the common ones."""

FLAGS = (
    "--target=wasm32-freestanding",
    "-std=c17",
    "-O3",
    "-msimd128",
    "-mbulk-memory",  # memset and memcpy become instructions: there is no library to call
    "-fno-math-errno",
    "-ffp-contract=off",
    "-nostdlib",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wl,--no-entry",
    "-Wl,--import-memory",
    # Whoever instantiates a module gives it a stack: the linker's would lie in others' data.
    f"-Wl,--export={STACK_POINTER}",
    "-Wl,-z,stack-size=65536",
    "-Wl,--strip-all",
)

Compile = Callable[[list[str]], "subprocess.CompletedProcess[str]"]


def make_kernels(
    cache: Cache, progress: Progress, sources: Path = SOURCES, compiler: Compile | None = None
) -> dict[str, Path]:
    """{variant: its module}. Raises BuildFailed or EnvironmentFailed.

    `compiler` runs the C compiler with arguments; None is zig's, installed only if need be.
    """
    if not sorted(sources.glob("*.c")):
        raise BuildFailed(
            f"There are no C files in {sources.name}, so there are no kernels to compile. "
            "Is the checkout complete?"
        )
    names = {variant: cache_name(variant, sources, zig_version(LOCK)) for variant in VARIANTS}
    kept = {variant: cache.find(name) for variant, name in names.items()}
    missing = [variant for variant, module in kept.items() if module is None]
    if missing and compiler is None:
        environment.ensure("kernels", "Installing the compiler of the kernels (100 MB)", progress)
    modules = {variant: module for variant, module in kept.items() if module is not None}
    for variant in missing:
        with progress.step(f"Compiling the kernels ({variant})"):
            module = compile_variant(variant, sources, compiler or zig)
        modules[variant] = cache.remember(names[variant], module)
    return {variant: modules[variant] for variant in VARIANTS}


def compile_variant(variant: str, sources: Path, compiler: Compile) -> bytes:
    """One module, compiled and read through. Raises BuildFailed."""
    files = [str(file) for file in sorted(sources.glob("*.c"))]
    with tempfile.TemporaryDirectory(prefix="backburner-") as folder:
        output = Path(folder) / f"{variant}.wasm"
        ended = compiler([*FLAGS, *VARIANTS[variant], "-o", str(output), *files])
        if ended.returncode != 0 or not output.is_file():
            raise BuildFailed(
                f"The kernels ({variant}) could not be compiled. What the compiler said stands "
                f"below; the sources are in {sources.name}.",
                detail=ended.stderr or ended.stdout,
            )
        module = output.read_bytes()
    check_module(variant, module)
    return module


def check_module(variant: str, module: bytes) -> None:
    """Raises BuildFailed when the module must not be let into TensorFlow.js's memory."""
    try:
        faults = WasmModule.from_bytes(module).faults()
    except ValueError as error:
        faults = [str(error)]
    if faults:
        raise BuildFailed(
            f"The kernels ({variant}) were compiled, but cannot be used: {'; '.join(faults)}. A "
            "data section comes from constants that the compiler keeps in a table, from strings "
            "and from variables outside of functions; an import from a function without a body.",
        )


def cache_name(variant: str, sources: Path, version: str) -> str:
    """Names a module after everything that it is made from."""
    digest = hashlib.sha256(" ".join((version, *FLAGS, *VARIANTS[variant])).encode())
    for file in sorted(sources.glob("*.[ch]")):
        content = file.read_bytes()
        digest.update(f"\n{file.name} {len(content)}\n".encode())
        digest.update(content)
    return f"kernels {variant} {digest.hexdigest()}"


def zig_version(lock: Path) -> str:
    """The pinned compiler's version. Raises BuildFailed when the lock names none."""
    found = re.search(r"^ziglang==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise BuildFailed(f"requirements/{lock.name} pins no ziglang. Renew it as it says.")
    return found[1]


def zig(arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    """zig's C compiler. What it keeps for itself goes into the checkout's scratch folder."""
    scratch = str(checkout.SCRATCH / "zig")
    folders = {"ZIG_GLOBAL_CACHE_DIR": scratch, "ZIG_LOCAL_CACHE_DIR": scratch}
    python = str(environment.python_in(checkout.VENV))
    return subprocess.run(
        [python, "-m", "ziglang", "cc", *arguments],
        env=os.environ | folders,
        check=False,
        capture_output=True,
        text=True,
    )
