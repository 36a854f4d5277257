"""The compiled library: how it is found, switched off by a variable, and compiled; one warning explains why it cannot be used."""

from __future__ import annotations

import ctypes
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from building import compiling
from building.targets import target
from gi_plugin.transfer import native

COMPILES = compiling.system_compiler() is not None


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path from which the library is loaded, in an empty temporary folder."""
    monkeypatch.setattr(native, "FILE", tmp_path / native.FILE.name)
    monkeypatch.delenv("GI_PLUGIN_NATIVE", raising=False)
    return native.FILE


def _warnings_of_two_calls() -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert [native.library(), native.library()] == [None, None]
    assert {one.category for one in caught} == {RuntimeWarning}
    return [str(one.message) for one in caught]


def test_a_missing_library_gives_one_warning(file: Path) -> None:
    """The warning names the effect and the remedy; the second call gives no warning."""
    (message,) = _warnings_of_two_calls()
    assert message == (
        f"no compiled code ({file.name} was not built into this installation): "
        f"the transfer runs in numpy, some {native.SLOWER} times slower; "
        "install a wheel for this platform, or a C compiler and reinstall gi-plugin"
    )


@pytest.mark.parametrize("content", [b"", b"not a library\n", b"\x7fELF\x02\x01\x01" + bytes(200)])
def test_a_damaged_library_is_named(file: Path, content: bytes) -> None:  # a table
    """The warning contains the reason of the operating system."""
    file.write_bytes(content)
    (message,) = _warnings_of_two_calls()
    assert message.startswith(f"no compiled code ({file.name} does not load: ")


def test_zero_switches_the_library_off_without_a_warning(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning would fail this test, because warnings are errors in the tests."""
    monkeypatch.setenv("GI_PLUGIN_NATIVE", "0")
    assert not file.exists()
    assert native.library() is None


@pytest.mark.skipif(not COMPILES, reason="no C compiler")
def test_a_library_of_another_version_counts_as_missing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library of a version that the Python code does not expect is not used; one of the expected version is."""
    monkeypatch.setenv("GI_PLUGIN_COMPILER", "cc")
    assert compiling.build(file.parent) == file
    with monkeypatch.context() as patched:
        patched.setattr(native, "VERSION", native.VERSION + 1)
        (message,) = _warnings_of_two_calls()
    assert f"({file.name} has version {native.VERSION}, this installation needs {native.VERSION + 1})" in message
    native.load.cache_clear()
    loaded = native.library()
    assert loaded is not None
    assert loaded.gi_transfer_version() == native.VERSION


def test_arguments_are_those_of_the_c_functions() -> None:
    """The types that ctypes converts to are the types in the C sources, function by function."""
    letters = {"int64_t": "n", "int32_t": "i", "int": "i", "uint32_t": "u", "float": "f"}
    sources = "".join((compiling.FOLDER / name).read_text(encoding="utf-8") for name in compiling.SOURCES)
    found = {
        name: "".join("a" if "*" in argument else letters[argument.split()[0]] for argument in arguments.split(","))
        for name, arguments in re.findall(r"GI_EXPORT int (\w+)\(([^()]*)\)", sources)
        if arguments != "void"
    }
    assert found == native.ARGUMENTS


def test_an_array_that_is_not_contiguous_is_refused() -> None:
    """A C function would read it in the wrong order. Contiguous arrays are passed by address, also read-only and empty ones."""
    array = np.zeros((4, 5), np.float32)
    with pytest.raises(ValueError, match="contiguous"):
        native.Pointer.from_param(array[:, 1:])
    fixed = array.copy()
    fixed.flags.writeable = False
    for one in (array, fixed, array[:0]):
        address = ctypes.cast(native.Pointer.from_param(one), ctypes.c_void_p).value
        assert address == one.ctypes.data


def test_the_loader_and_the_build_agree_on_the_name() -> None:
    """The loader expects the file name and folder that the build writes."""
    assert native.FILE.name == target().library
    assert native.FILE.parent == compiling.FOLDER


@pytest.mark.parametrize(
    ("name", "library", "triple"),
    [
        ("linux-x86_64", "_inner.so", "x86_64-linux-gnu.2.17"),
        ("manylinux2014_aarch64", "_inner.so", "aarch64-linux-gnu.2.17"),
        ("musllinux_1_2_x86_64", "_inner.so", "x86_64-linux-musl"),
        ("macosx_11_0_arm64", "_inner.dylib", "aarch64-macos.11.0"),
        ("macosx-10.9-x86_64", "_inner.dylib", "x86_64-macos.11.0"),
        ("win_amd64", "_inner.dll", "x86_64-windows-gnu"),
        ("win-arm64", "_inner.dll", "aarch64-windows-gnu"),
    ],
)
def test_platforms_are_read_from_their_names(name: str, library: str, triple: str) -> None:  # a table
    """The names used in wheels and by Python are both understood."""
    assert (target(name).library, target(name).triple) == (library, triple)


def test_a_compiler_is_chosen_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a compiler, an old library is removed and one line is printed. A chosen compiler that is missing or unknown is an error."""
    old = tmp_path / native.FILE.name
    old.write_bytes(b"old")
    monkeypatch.setenv("GI_PLUGIN_COMPILER", "none")
    assert compiling.build(tmp_path) is None
    assert not old.exists()
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setattr(compiling, "zig", lambda: None)
    monkeypatch.setenv("GI_PLUGIN_COMPILER", "")
    assert compiling.build(tmp_path) is None
    assert "no C compiler found" in capsys.readouterr().err
    monkeypatch.setenv("GI_PLUGIN_COMPILER", "cc")
    with pytest.raises(RuntimeError, match="no C compiler found for GI_PLUGIN_COMPILER=cc"):
        compiling.build(tmp_path)
    monkeypatch.setenv("GI_PLUGIN_COMPILER", "gcc")
    with pytest.raises(ValueError, match="'gcc'; give one of auto, cc, zig, none"):
        compiling.build(tmp_path)


@pytest.mark.skipif(not COMPILES, reason="no C compiler")
def test_a_compiler_that_fails_does_not_stop_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error is printed in one line, and no library is built; the build fails only if the compiler was chosen by name."""
    monkeypatch.setattr(compiling, "SOURCES", ("no-such-file.c",))
    monkeypatch.setenv("GI_PLUGIN_COMPILER", "auto")
    assert compiling.build(tmp_path) is None
    message = capsys.readouterr().err
    assert "no-such-file.c" in message
    assert message.count("\n") == 1
    monkeypatch.setenv("GI_PLUGIN_COMPILER", "cc")
    with pytest.raises(RuntimeError, match=r"no-such-file\.c"):
        compiling.build(tmp_path)
