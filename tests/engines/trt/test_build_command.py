"""Messages about engines on the command line: errors of `gi-plugin build`, and the advice of `gi-plugin doctor` about the GPU."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from gi_plugin.cli import diagnosis as doctor
from gi_plugin.config import CONFIG_VARIABLE, Config, EngineSettings, cache_directory, load_config, user_config_file
from gi_plugin.engines import open_engine, selection
from gi_plugin.engines.cache import EngineCache
from gi_plugin.engines.gpu.driver import Gpu
from gi_plugin.engines.trt import builder, check, engine as engine_module, package as package_module
from gi_plugin.engines.trt.build_request import Request
from gi_plugin.engines.trt.builder import Built, build_command, engine_parts, request_of
from gi_plugin.engines.trt.package import TENSORRT, TENSORRT_PACKAGES, TENSORRT_RTX, TensorRtPackage
from gi_plugin.errors import EngineMissing
from gi_plugin.network_file import network_path
from gi_plugin.planning import COARSE, SMALL
from tests.gi_plugin.command import Cli

GPU = Gpu("Stand-in", "sm_89", "13.0")
WRONG = {
    "": "Missing option '--backend'",
    "--backend abacus": "--backend abacus: expected one of tensorrt, tensorrt-rtx; other backends need no build",
    "--backend openvino": "--backend openvino: expected one of tensorrt, tensorrt-rtx; other backends need no build",
    "--backend tensorrt-rtx --precision fp8": "--precision 'fp8': expected 'auto' or 'fp32' or 'bf16' or 'fp16'",
    "--backend tensorrt-rtx --layer magic": "--layer 'magic': expected 'auto' or 'plugin' or 'aot' or 'native'",
    "--backend tensorrt-rtx --layer aot": "tensorrt-rtx has no attention layer of kind 'aot': set [engine] layer to plugin or native",
    "--backend tensorrt-rtx --batch 0": "Invalid value for '--batch'",
    "--backend tensorrt-rtx --batch 65": "--batch 65: expected 1 to 64",
    "--backend tensorrt-rtx --window 100": "window 100: expected a multiple of 8, 72 or more",
    "--backend tensorrt-rtx --window 64": "window 64: expected a multiple of 8, 72 or more",
    "--backend tensorrt-rtx --config missing.toml": "missing.toml: cannot be read",
    "--backend tensorrt-rtx --config network.toml": "missing.onnx: there is no such network file",
    "--backend tensorrt-rtx --config cache.toml": "network.toml/engines",  # a file where the cache's folder should be
    "--backend tensorrt --target sm_89": "tensorrt builds only for the GPU of this machine; --target is for tensorrt-rtx",
    "--backend tensorrt-rtx --target current": "no CUDA GPU can be used: it is imaginary",
    "--backend tensorrt": "no CUDA GPU can be used: it is imaginary",
}


def _no_gpu() -> Gpu:
    raise EngineMissing("no CUDA GPU can be used: it is imaginary")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that simulates a machine: with or without a GPU, and with the packages named."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "GI_PLUGIN_CACHE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("GI_PLUGIN_CONFIG", raising=False)

    def have(gpu: Gpu | None, *packages: str) -> None:
        def find(name: str) -> ModuleSpec | None:
            return ModuleSpec(name, None) if name in packages else None

        for module in (doctor, selection, builder, engine_module):
            monkeypatch.setattr(module, "find_gpu", lambda *_: gpu or _no_gpu())
        for module in (doctor, package_module):
            monkeypatch.setattr(module, "find_spec", find)
        monkeypatch.setattr("importlib.metadata.version", lambda _: "11.4.0")
        monkeypatch.setattr(package_module, "import_module", ModuleType)

    return have


def _build_into(cache: Path, settings: EngineSettings, backend: str, window: int) -> Path:
    """Store an engine in the cache and return its folder."""
    package = TENSORRT_PACKAGES[backend]
    parts = engine_parts(request_of(network_path(""), window, settings, package), None if package.portable else GPU)
    EngineCache(cache).store(parts, b"plan")
    entry = EngineCache(cache).entry(parts)
    assert entry is not None
    return entry.folder


@pytest.mark.parametrize("arguments", WRONG)
def test_a_wrong_build_command_is_one_line_and_code_2(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: str
) -> None:
    """A wrong option, or a missing GPU or file, gives a one-line error and exit code 2, and no cache is created."""
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
    """The builder's process finds the damage, and its message reaches the user without a traceback."""
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
        (GPU, (), 'Stand-in, sm_89, CUDA driver 13.0 is there, TensorRT is not: pip install "gi-plugin[tensorrt]"'),
        (GPU, ("tensorrt",), "and tensorrt are there, PyCUDA is not: pip install pycuda"),
        (GPU, ("tensorrt", "pycuda"), "no engine is built: gi-plugin build --backend tensorrt --precision fp16 --window 128"),
        (GPU, ("tensorrt_rtx", "pycuda"), "no engine is built: gi-plugin build --backend tensorrt-rtx --precision fp16 --window 128"),
    ],
)
def test_doctor_says_what_is_missing(machine: Callable[..., None], gpu: Gpu | None, packages: tuple[str, ...], text: str) -> None:
    """`doctor` states the next step towards using the GPU."""
    machine(gpu, *packages)
    assert text in doctor.examine(Config(), None)["gpu in plain words"]


def _advice() -> str:
    return str(doctor.examine(Config(), None)["gpu in plain words"])


def test_doctor_says_what_is_built(machine: Callable[..., None], tmp_path: Path) -> None:
    """`doctor` looks for the preferred package's engines, and wants one for each of the two windows."""
    machine(GPU, "tensorrt", "tensorrt_rtx", "pycuda")
    _build_into(tmp_path, EngineSettings(), "tensorrt", COARSE)
    assert f"no engine is built: gi-plugin build --backend tensorrt --precision fp16 --window {SMALL}" in _advice()
    _build_into(tmp_path, EngineSettings(), "tensorrt", SMALL)
    assert _advice() == "Stand-in, sm_89, CUDA driver 13.0 is used, with engines for both window sizes."


def test_doctor_survives_a_setting_that_one_package_lacks(machine: Callable[..., None]) -> None:
    """With layer = "aot", which TensorRT-RTX lacks, `doctor` examines the other package."""
    machine(GPU, "tensorrt", "tensorrt_rtx", "pycuda")
    advice = doctor.examine(Config(engine=EngineSettings(layer="aot")), None)["gpu in plain words"]
    assert "gi-plugin build --backend tensorrt --precision fp16 --window 128 --layer aot --batch 1" in advice


@pytest.mark.parametrize("package", [TENSORRT, TENSORRT_RTX], ids=lambda package: package.backend)
def test_doctor_survives_a_damaged_engine(machine: Callable[..., None], tmp_path: Path, package: TensorRtPackage) -> None:
    """A damaged cache entry does not make `doctor` fail."""
    machine(GPU, package.module, "pycuda")
    (_build_into(tmp_path, EngineSettings(), package.backend, COARSE) / "engine.json").write_text("{", encoding="utf-8")
    assert doctor.examine(Config(), None)["gpu in plain words"]


SETTINGS = {  # [engine], after the cache and the network
    "defaults": "",
    "layer": "layer = 'native'",
    "batch": "batch = 3",
    "precision": "precision = 'bf16'",
    "everything": "layer = 'native'\nbatch = 3\nprecision = 'fp32'",
}
SOURCES = ("named", "variable", "user")


def _settings(source: str, text: str, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Read settings from a file named by the caller, by GI_PLUGIN_CONFIG, or from the user's file; the names contain spaces."""
    file = user_config_file() if source == "user" else Path("my settings.toml").absolute()
    file.parent.mkdir(parents=True, exist_ok=True)
    network = Path("my network.onnx").absolute()
    network.write_bytes(network_path("").read_bytes() + b"\0")
    file.write_text(f"[model]\npath = '{network}'\n[engine]\ncache = '{file.parent / 'my cache'}'\n{text}\n", encoding="utf-8")
    if source != "variable":
        return load_config(file.name if source == "named" else None)
    with monkeypatch.context() as environment:
        environment.setenv(CONFIG_VARIABLE, file.name)
        return load_config()


@pytest.mark.parametrize("package", [TENSORRT, TENSORRT_RTX], ids=lambda package: package.backend)
@pytest.mark.parametrize("text", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("source", SOURCES)
def test_the_printed_command_builds_the_missing_engine(
    machine: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    source: str,
    text: str,
    package: TensorRtPackage,
) -> None:
    """The command in the message, run from another folder, stores the engine under the key that was missing."""

    def store(request: Request, settings: EngineSettings, _progress: object) -> Built:
        parts = engine_parts(request, None if package.portable else GPU)
        EngineCache(cache_directory(settings)).store(parts, b"plan")
        return Built({"seconds": 1}, "sm_89", new=True)

    machine(GPU, package.module)
    config = _settings(source, text, monkeypatch)
    config = replace(config, engine=replace(config.engine, backend=package.backend))
    with pytest.raises(EngineMissing, match="no engine has been built for 96 px windows; build it with: gi-plugin build ") as caught:
        open_engine(config, 96)
    command = shlex.split(str(caught.value).partition("build it with: ")[2])
    assert ("--config" in command) is (source != "user")

    monkeypatch.setattr(builder, "build_engine", store)
    monkeypatch.setattr(check, "compare", lambda *_: "not compared")
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert Cli(monkeypatch, capsys)(*command[1:]).code == 0
    missing = engine_parts(request_of(Path(config.model.path), 96, config.engine, package), None if package.portable else GPU)
    assert EngineCache(cache_directory(config.engine)).load(missing) == b"plan"


def test_the_printed_command_keeps_what_the_program_changed(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options that a program changed after it had read the settings file are in the command."""
    requests: list[Request] = []

    def record(request: Request, _settings: EngineSettings, _progress: object) -> Built:
        requests.append(request)
        return Built({"seconds": 1}, "sm_89", new=True)

    machine(GPU, "tensorrt_rtx")
    monkeypatch.setattr(builder, "build_engine", record)
    monkeypatch.setattr(check, "compare", lambda *_: "not compared")
    config = _settings("named", SETTINGS["everything"], monkeypatch)
    changed = replace(config.engine, layer="auto", batch=1, precision="auto")
    missing = request_of(Path(config.model.path), 96, changed, TENSORRT_RTX, config_file=config.source)
    assert Cli(monkeypatch, capsys)(*shlex.split(build_command(missing))[1:]).code == 0
    assert [replace(request, config_file=missing.config_file) for request in requests] == [missing]
