"""What a user reads about engines on the command line: errors of `gi-plugin build`, and what `gi-plugin doctor` says of the GPU."""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from gi_plugin.cli import diagnosis as doctor
from gi_plugin.config import Config, EngineSettings
from gi_plugin.engines import selection
from gi_plugin.engines.cache import EngineCache
from gi_plugin.engines.gpu.driver import Gpu
from gi_plugin.engines.trt import builder as tensorrt_build, package as tensorrt_flavours
from gi_plugin.engines.trt.builder import engine_parts, request_of
from gi_plugin.engines.trt.package import TENSORRT, TENSORRT_PACKAGES, TENSORRT_RTX
from gi_plugin.errors import EngineMissing
from gi_plugin.network_file import network_path
from gi_plugin.planning import LARGE, SMALL
from tests.gi_plugin.command import Cli

GPU = Gpu("Stand-in", "sm_89", "13.0")
WRONG = {
    "": "Missing option '--backend'",
    "--backend abacus": "--backend abacus: expected one of tensorrt, tensorrt-rtx; other backends need no build",
    "--backend openvino": "--backend openvino: expected one of tensorrt, tensorrt-rtx; other backends need no build",
    "--backend tensorrt-rtx --precision fp8": "precision = 'fp8': expected 'auto' or 'fp32' or 'bf16' or 'fp16'",
    "--backend tensorrt-rtx --layer magic": "layer = 'magic': expected 'auto' or 'plugin' or 'aot' or 'native'",
    "--backend tensorrt-rtx --layer aot": "tensorrt-rtx has no attention layer of kind 'aot': set [engine] layer to plugin or native",
    "--backend tensorrt-rtx --batch 0": "Invalid value for '--batch'",
    "--backend tensorrt-rtx --batch 65": "batch = 65: expected 1 to 64",
    "--backend tensorrt-rtx --window 100": "window 100: expected a multiple of 8, 72 or more",
    "--backend tensorrt-rtx --window 64": "window 64: expected a multiple of 8, 72 or more",
    "--backend tensorrt-rtx --config missing.toml": "missing.toml: cannot be read",
    "--backend tensorrt-rtx --config network.toml": "missing.onnx: there is no such network file",
    "--backend tensorrt-rtx --config cache.toml": "network.toml/engines",  # a file where the cache's folder should be
    "--backend tensorrt --target sm_89": "tensorrt builds for the GPU of this machine only; targets can be named for tensorrt-rtx",
    "--backend tensorrt-rtx --target current": "no CUDA GPU can be used: it is imaginary",
    "--backend tensorrt": "no CUDA GPU can be used: it is imaginary",
}


def _no_gpu() -> Gpu:
    raise EngineMissing("no CUDA GPU can be used: it is imaginary")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets what the machine has: a GPU or none, the TensorRT packages named, PyCUDA."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "GI_PLUGIN_CACHE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("GI_PLUGIN_CONFIG", raising=False)

    def have(gpu: Gpu | None, *packages: str) -> None:
        def find(name: str) -> ModuleSpec | None:
            return ModuleSpec(name, None) if name in packages else None

        for module in (doctor, selection, tensorrt_build):
            monkeypatch.setattr(module, "find_gpu", lambda: gpu or _no_gpu())
        for module in (doctor, tensorrt_flavours):
            monkeypatch.setattr(module, "find_spec", find)
        monkeypatch.setattr(tensorrt_flavours, "version", lambda _: "11.4.0")
        monkeypatch.setattr(tensorrt_flavours, "import_module", ModuleType)

    return have


def _build_into(cache: Path, settings: EngineSettings, backend: str, window: int) -> Path:
    """Put an engine of a kind into the cache; its folder."""
    package = TENSORRT_PACKAGES[backend]
    parts = engine_parts(request_of(network_path(""), window, settings, package), None if package.portable else GPU)
    EngineCache(cache).store(parts, b"plan")
    entry = EngineCache(cache).entry(parts)
    assert entry is not None
    return entry.folder


@pytest.mark.parametrize("arguments", WRONG)
def test_what_cannot_be_built_is_one_line_and_code_2(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: str
) -> None:
    """A user's mistake, or a machine without what is needed: one line that says so, and no cache is made."""
    machine(None, "tensorrt", "tensorrt_rtx")
    Path("network.toml").write_text("[model]\npath = 'missing.onnx'\n", encoding="utf-8")
    Path("cache.toml").write_text("[engine]\ncache = 'network.toml'\n", encoding="utf-8")
    before = sorted(Path().rglob("*"))
    result = Cli(monkeypatch, capsys)("build", *arguments.split())
    assert (result.code, result.out, len(result.lines)) == (2, "", 1)
    assert result.lines[0].startswith("error: ")
    assert WRONG[arguments] in result.lines[0]
    assert sorted(Path().rglob("*")) == before


@pytest.mark.slow
def test_a_damaged_network_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The builder's process finds it; the message is the network's, not a traceback's."""
    monkeypatch.setenv("GI_PLUGIN_CACHE", str(tmp_path))
    (tmp_path / "damaged.onnx").write_bytes(b"damaged")
    (tmp_path / "settings.toml").write_text(f"[model]\npath = '{tmp_path / 'damaged.onnx'}'\n", encoding="utf-8")
    result = Cli(monkeypatch, capsys)("build", "--backend", "tensorrt-rtx", "--config", str(tmp_path / "settings.toml"))
    assert (result.code, len(result.lines)) == (2, 1)
    assert result.lines[0].startswith(f"error: {tmp_path / 'damaged.onnx'}: not a readable ONNX model")


@pytest.mark.parametrize(
    ("gpu", "packages", "text"),
    [
        (
            None,
            ("tensorrt_rtx",),
            "The CPU is used: no CUDA GPU can be used: it is imaginary. TensorRT-RTX engines for other machines can be built here",
        ),
        (None, (), "The CPU is used: no CUDA GPU can be used: it is imaginary."),
        (GPU, (), "Stand-in, sm_89, CUDA driver 13.0 is there, TensorRT is not: pip install 'gi-plugin[tensorrt]'"),
        (GPU, ("tensorrt",), "and tensorrt are there, PyCUDA is not: pip install pycuda"),
        (GPU, ("tensorrt", "pycuda"), "no engine is built: gi-plugin build --backend tensorrt --precision fp16 --window 256"),
        (GPU, ("tensorrt_rtx", "pycuda"), "no engine is built: gi-plugin build --backend tensorrt-rtx --precision fp16 --window 256"),
    ],
)
def test_doctor_says_what_is_missing(machine: Callable[..., None], gpu: Gpu | None, packages: tuple[str, ...], text: str) -> None:
    """The next thing to do on the way to a GPU, in plain words."""
    machine(gpu, *packages)
    assert text in doctor.examine(Config(), None)["gpu in plain words"]


def _story() -> str:
    return str(doctor.examine(Config(), None)["gpu in plain words"])


def test_doctor_says_what_is_built(machine: Callable[..., None], tmp_path: Path) -> None:
    """The preferred package's engines are looked for: one window is not enough."""
    machine(GPU, "tensorrt", "tensorrt_rtx", "pycuda")
    _build_into(tmp_path, EngineSettings(), "tensorrt", SMALL)
    assert f"no engine is built: gi-plugin build --backend tensorrt --precision fp16 --window {LARGE}" in _story()
    _build_into(tmp_path, EngineSettings(), "tensorrt", LARGE)
    assert _story() == "Stand-in, sm_89, CUDA driver 13.0 is used, with engines for both window sizes."


def test_doctor_survives_a_setting_that_one_package_lacks(machine: Callable[..., None]) -> None:
    """With layer = "aot", which TensorRT-RTX does not have, the others are examined."""
    machine(GPU, "tensorrt", "tensorrt_rtx", "pycuda")
    story = doctor.examine(Config(engine=EngineSettings(layer="aot")), None)["gpu in plain words"]
    assert "gi-plugin build --backend tensorrt" in story


@pytest.mark.parametrize("package", [TENSORRT, TENSORRT_RTX], ids=lambda package: package.backend)
def test_doctor_survives_a_damaged_engine(machine: Callable[..., None], tmp_path: Path, package: tensorrt_flavours.TensorRtPackage) -> None:
    """It is there to tell such things."""
    machine(GPU, package.module, "pycuda")
    (_build_into(tmp_path, EngineSettings(), package.backend, SMALL) / "engine.json").write_text("{", encoding="utf-8")
    assert doctor.examine(Config(), None)["gpu in plain words"]
