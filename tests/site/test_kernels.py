"""The kernels are compiled once for each state of their sources, and only sound ones are kept."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from backburner_site.cache import Cache
from backburner_site.errors import BuildFailed
from backburner_site.kernels import (
    FLAGS,
    LOCK,
    VARIANTS,
    cache_name,
    check_module,
    make_kernels,
    zig_version,
)
from backburner_site.progress import Progress
from tests.site.test_wasm_module import DATA, a_module


class FakeCompiler:
    """Writes `module` to where -o says, or fails with words when there is none."""

    def __init__(self, module: bytes | None) -> None:
        self.module = module
        self.calls: list[list[str]] = []

    def __call__(self, arguments: list[str]) -> "subprocess.CompletedProcess[str]":
        self.calls.append(arguments)
        if self.module is None:
            return subprocess.CompletedProcess(arguments, 1, "", "bias.c:3: error: oh")
        Path(arguments[arguments.index("-o") + 1]).write_bytes(self.module)
        return subprocess.CompletedProcess(arguments, 0, "", "")


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "kernels"
    folder.mkdir()
    for name in ("dense.c", "bias.c", "kernels.h"):
        (folder / name).write_text(f"// {name}")
    return folder


@pytest.fixture
def make(tmp_path: Path, sources: Path) -> Callable[[FakeCompiler], dict[str, Path]]:
    cache = Cache(tmp_path / "cache")
    return lambda compiler: make_kernels(cache, Progress(), sources, compiler)


def test_every_source_is_compiled_into_each_variant(
    make: Callable[[FakeCompiler], dict[str, Path]],
) -> None:
    compiler = FakeCompiler(a_module())
    modules = make(compiler)
    assert list(modules) == ["simd", "relaxed"]
    for (variant, module), arguments in zip(modules.items(), compiler.calls, strict=True):
        assert module.read_bytes() == a_module()
        assert set(FLAGS + VARIANTS[variant]) < set(arguments)
        assert [Path(each).name for each in arguments[-2:]] == ["bias.c", "dense.c"]
    assert ["-DRELAXED" in arguments for arguments in compiler.calls] == [False, True]


def test_a_second_build_needs_no_compiler(
    make: Callable[[FakeCompiler], dict[str, Path]],
) -> None:
    first = make(FakeCompiler(a_module()))
    unused = FakeCompiler(None)
    assert make(unused) == first
    assert unused.calls == []


def test_a_changed_header_is_compiled_anew(
    sources: Path, make: Callable[[FakeCompiler], dict[str, Path]]
) -> None:
    make(FakeCompiler(a_module()))
    (sources / "kernels.h").write_text("// changed")
    again = FakeCompiler(a_module())
    make(again)
    assert len(again.calls) == 2


def test_the_name_in_the_cache_tells_apart_whatever_matters(sources: Path) -> None:
    names = {cache_name("simd", sources, "1"), cache_name("relaxed", sources, "1")}
    names.add(cache_name("simd", sources, "2"))
    (sources / "dense.c").rename(sources / "tense.c")
    names.add(cache_name("simd", sources, "1"))
    (sources / "notes.txt").touch()
    names.add(cache_name("simd", sources, "1"))
    assert len(names) == 4


def test_what_the_compiler_says_is_passed_on(
    make: Callable[[FakeCompiler], dict[str, Path]],
) -> None:
    with pytest.raises(BuildFailed, match="could not be compiled") as failure:
        make(FakeCompiler(None))
    assert failure.value.detail == "bias.c:3: error: oh"


def test_a_module_with_data_of_its_own_is_neither_kept_nor_shipped(
    make: Callable[[FakeCompiler], dict[str, Path]],
) -> None:
    with_data = a_module() + DATA
    with pytest.raises(BuildFailed, match="data section, which would overwrite"):
        make(FakeCompiler(with_data))
    with pytest.raises(BuildFailed, match="simd"):
        make(FakeCompiler(with_data))


def test_what_is_no_module_at_all_is_refused_in_words() -> None:
    with pytest.raises(BuildFailed, match="does not begin as a WebAssembly module"):
        check_module("simd", b"\x7fELF")


def test_without_sources_there_is_nothing_to_compile(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="no C files"):
        make_kernels(Cache(tmp_path), Progress(), tmp_path, FakeCompiler(a_module()))


def test_the_lock_pins_the_compiler(tmp_path: Path) -> None:
    assert zig_version(LOCK)[0].isdigit()
    (tmp_path / "kernels.txt").write_text("# nothing\n")
    with pytest.raises(BuildFailed, match="pins no ziglang"):
        zig_version(tmp_path / "kernels.txt")
