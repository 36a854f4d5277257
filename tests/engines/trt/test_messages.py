"""What a user reads when something that TensorRT needs is missing, too old, or made for another machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from gi_plugin import network_file
from gi_plugin.cli import diagnosis as doctor
from gi_plugin.config import Config, EngineSettings
from gi_plugin.engines import backend_status, open_engine, selection
from gi_plugin.engines.cache import EngineCache
from gi_plugin.engines.gpu import driver as cuda_driver, memory as cuda_memory
from gi_plugin.engines.gpu.driver import Gpu, find_gpu
from gi_plugin.engines.trt import builder as tensorrt_build, package as tensorrt_flavours
from gi_plugin.engines.trt.builder import RUNS_ON, engine_parts, request_of
from gi_plugin.engines.trt.engine import cached_plan
from gi_plugin.engines.trt.package import TENSORRT, TENSORRT_PACKAGES, TENSORRT_RTX, TensorRtPackage
from gi_plugin.errors import EngineMismatch, EngineMissing, MissingDependency

NETWORK = network_file.network_path("")
GPU = Gpu("Stand-in", "sm_89", "13.0")
PIP = "pip install 'gi-plugin[{}]'"
EACH = pytest.mark.parametrize("package", TENSORRT_PACKAGES.values(), ids=TENSORRT_PACKAGES)


@pytest.fixture
def settings(tmp_path: Path) -> EngineSettings:
    return EngineSettings(layer="native", cache=str(tmp_path / "cache"))


def _raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


def _has(monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    """Have the TensorRT packages installed in a version, or not at all."""
    monkeypatch.setattr(tensorrt_flavours, "find_spec", lambda name: None if version is None else ModuleSpec(name, None))
    monkeypatch.setattr(tensorrt_flavours, "version", lambda _: version)
    monkeypatch.setattr(tensorrt_flavours, "import_module", ModuleType)


def _gpu_is(monkeypatch: pytest.MonkeyPatch, gpu: Gpu | Exception) -> None:
    found = _raising(gpu) if isinstance(gpu, Exception) else lambda: gpu
    for module in (doctor, selection, tensorrt_build):
        monkeypatch.setattr(module, "find_gpu", found)


def _refusal(settings: EngineSettings, backend: str) -> str:
    """What `open_engine` says when asked for a backend that cannot serve."""
    with pytest.raises(EngineMissing, match=f"^no engine can be used: {backend}: ") as caught:
        open_engine(Config(engine=replace(settings, backend=backend)), 256)
    return str(caught.value)


@EACH
@pytest.mark.parametrize(
    ("version", "text"),
    [
        (None, "not installed; install it with: {pip}"),
        ("1.2.5", "{module} 1.2.5 is too old, at least {oldest} is needed; install it with: {pip}"),
    ],
)
def test_a_package_that_is_missing_or_too_old(
    monkeypatch: pytest.MonkeyPatch, settings: EngineSettings, package: TensorRtPackage, version: str | None, text: str
) -> None:
    """`open_engine`, `doctor`, and whoever loads it say what is there, what is needed and the pip line."""
    _has(monkeypatch, version)
    expected = text.format(module=package.module, oldest=".".join(map(str, package.oldest)), pip=PIP.format(package.extra))
    assert package.status() == expected
    with pytest.raises(EngineMissing) as caught:
        package.load()
    assert str(caught.value) == f"{package.backend}: {expected}"
    assert _refusal(settings, package.backend).endswith(expected)
    assert [status.reason for status in backend_status() if status.name == package.backend] == [expected]


@EACH
def test_exactly_the_oldest_version_will_do(monkeypatch: pytest.MonkeyPatch, package: TensorRtPackage) -> None:
    """Versions are compared as numbers: 10.10 is later than 10.9."""
    major, minor = package.oldest
    for version, usable in ((f"{major}.{minor}.0.1", True), (f"{major}.{minor + 1}", True), (f"{major}.{minor - 1}.99", False)):
        _has(monkeypatch, version)
        assert (package.status() == "") is usable, version


def test_a_package_without_metadata_tells_its_version_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorRT from the system's packages is no pip distribution."""
    _has(monkeypatch, "")
    monkeypatch.setattr(tensorrt_flavours, "version", _raising(PackageNotFoundError("tensorrt")))
    monkeypatch.setattr(tensorrt_flavours, "import_module", lambda _: SimpleNamespace(__version__="10.3.0"))
    assert TENSORRT.status().startswith("tensorrt 10.3.0 is too old")


@pytest.mark.parametrize("error", [ImportError("libnvinfer.so.11: cannot open shared object file"), OSError("bad magic number")])
def test_a_package_whose_libraries_do_not_load(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """The loader's own words are passed on."""
    _has(monkeypatch, "11.4.0")
    monkeypatch.setattr(tensorrt_flavours, "import_module", _raising(error))
    with pytest.raises(EngineMissing, match=f"tensorrt is installed, but cannot be loaded: {error}"):
        TENSORRT.load()


def test_a_broken_package_without_metadata_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch, settings: EngineSettings) -> None:
    """TensorRT from the system's packages that cannot be loaded is passed over like any other that cannot serve."""
    _has(monkeypatch, "")
    monkeypatch.setattr(tensorrt_flavours, "version", _raising(PackageNotFoundError("tensorrt")))
    monkeypatch.setattr(tensorrt_flavours, "import_module", _raising(OSError("libnvinfer.so.10: cannot open")))
    assert "libnvinfer.so.10: cannot open" in _refusal(settings, "tensorrt")


def _answering(**answers: Any) -> SimpleNamespace:
    """A driver that answers as given, and else with success."""
    status = SimpleNamespace(value=0, name="CUDA_SUCCESS")
    defaults = {"cuInit": lambda _: (status,), "cuDeviceGetCount": lambda: (status, 1)}
    return SimpleNamespace(**{**defaults, **answers})


FAILED = SimpleNamespace(value=803, name="CUDA_ERROR_SYSTEM_DRIVER_MISMATCH")
DRIVERS: dict[str, tuple[SimpleNamespace, str]] = {
    "older than the bindings": (_answering(cuInit=_raising(RuntimeError("cuInit not found\nin libcuda"))), "cuInit not found"),
    "too old": (_answering(cuInit=lambda _: (FAILED,)), "the CUDA driver answered CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"),
    "no device": (_answering(cuDeviceGetCount=lambda: (SimpleNamespace(value=0), 0)), "finds no device; see nvidia-smi"),
}


@pytest.mark.parametrize("case", DRIVERS)
def test_a_driver_that_is_missing_too_old_or_without_a_gpu(monkeypatch: pytest.MonkeyPatch, settings: EngineSettings, case: str) -> None:
    """The message says in one line why no GPU can be used; `doctor` adds that the CPU is used."""
    driver, text = DRIVERS[case]
    _has(monkeypatch, "11.4.0")
    monkeypatch.setattr(cuda_driver, "_driver", lambda: driver)
    monkeypatch.setattr(cuda_driver, "LIBRARY", None)  # the program itself, which can always be opened
    with pytest.raises(EngineMissing, match=r"^no CUDA GPU can be used") as caught:
        find_gpu()
    assert text in str(caught.value)
    refused = _refusal(settings, "tensorrt")
    assert text in refused
    assert len(refused.splitlines()) == 1
    story = doctor.examine(Config(engine=settings), None)["gpu in plain words"]
    assert story.startswith("The CPU is used: no CUDA GPU can be used")
    assert "gi-plugin build --backend tensorrt-rtx" in story


def test_no_driver_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's library is looked for first, without importing any CUDA package."""
    monkeypatch.setattr(cuda_driver, "LIBRARY", "libcuda-is-not-here.so.1")
    monkeypatch.setattr(cuda_driver, "_driver", _raising(AssertionError("was asked")))
    with pytest.raises(EngineMissing, match=r"the NVIDIA driver's library libcuda-is-not-here.so.1 is not there$"):
        find_gpu()


def test_the_driver_answers_what_an_engine_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name, capability and version are put together from the driver's numbers."""
    success = SimpleNamespace(value=0)
    names = ("CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR", "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR")
    driver = _answering(
        cuDeviceGet=lambda _: (success, 7),
        CUdevice_attribute=SimpleNamespace(**dict(zip(names, (12, 0), strict=True))),
        cuDeviceGetAttribute=lambda which, _: (success, which),
        cuDeviceGetName=lambda _length, _device: (success, b"Stand-in 5090\0\0\0"),
        cuDriverGetVersion=lambda: (success, 12090),
    )
    monkeypatch.setattr(cuda_driver, "_driver", lambda: driver)
    monkeypatch.setattr(cuda_driver, "LIBRARY", None)  # the program itself, which can always be opened
    assert find_gpu() == Gpu("Stand-in 5090", "sm_120", "12.9")
    assert str(find_gpu()) == "Stand-in 5090, sm_120, CUDA driver 12.9"


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (ModuleNotFoundError("No module named 'pycuda'", name="pycuda"), MissingDependency, PIP.format("tensorrt")),
        (ImportError("libcurand.so.10: cannot open"), EngineMissing, "PyCUDA is installed, but cannot be loaded: libcurand.so.10"),
    ],
)
def test_pycuda_that_is_missing_or_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type, text: str) -> None:
    """Missing: the pip line; built for another CUDA: the loader's words."""
    monkeypatch.setattr("gi_plugin.errors.import_module", _raising(error))
    with pytest.raises(kind) as caught:
        cuda_memory.Device()
    assert text in str(caught.value)


def test_cuda_bindings_that_are_missing(monkeypatch: pytest.MonkeyPatch, settings: EngineSettings) -> None:
    """On a machine with the driver, a host that asks for TensorRT gets the pip line, `doctor` too."""
    _has(monkeypatch, "11.4.0")
    monkeypatch.setattr(cuda_driver, "LIBRARY", None)  # the program itself, which can always be opened
    monkeypatch.setattr(cuda_driver, "LIBRARY", None)  # the program itself, which can always be opened
    monkeypatch.setattr("gi_plugin.errors.import_module", _raising(ModuleNotFoundError("No module named 'cuda'", name="cuda")))
    assert f"installed, but cuda.bindings.driver is not installed. Install it with: {PIP.format('tensorrt')}" in _refusal(
        settings, "tensorrt"
    )
    assert PIP.format("tensorrt") in doctor.examine(Config(engine=settings), None)["gpu in plain words"]


@pytest.mark.parametrize(
    ("package", "layer", "targets", "text"),
    [
        (TENSORRT_RTX, "aot", (), "tensorrt-rtx has no attention layer of kind 'aot': set [engine] layer to plugin or native"),
        (TENSORRT, "auto", ("sm_89",), "tensorrt builds for the GPU of this machine only; targets can be named for tensorrt-rtx"),
    ],
)
def test_what_a_flavour_cannot_do(package: TensorRtPackage, layer: str, targets: tuple[str, ...], text: str) -> None:
    """A layer or a target that a package does not take is told before anything is built."""
    with pytest.raises(EngineMissing) as caught:
        request_of(NETWORK, 256, EngineSettings(layer=layer), package, targets)
    assert str(caught.value) == text


@EACH
def test_an_engine_that_was_not_built_or_not_for_this_gpu(
    monkeypatch: pytest.MonkeyPatch, settings: EngineSettings, package: TensorRtPackage
) -> None:
    """The message has the command that builds it; what was built for other GPUs is refused with both named."""
    _has(monkeypatch, "11.4.0")
    _gpu_is(monkeypatch, GPU)
    cache, request = EngineCache(Path(settings.cache)), request_of(NETWORK, 256, settings, package)
    command = f"gi-plugin build --backend {package.backend} --precision fp16 --window 256"
    parts = engine_parts(request, None if package.portable else GPU)
    with pytest.raises(EngineMissing, match=f"^no engine has been built for 256 px windows; build it with: {command}$"):
        cached_plan(cache, parts, request, GPU)
    cache.store(parts, b"plan", {RUNS_ON: "sm_80 sm_120"})
    with pytest.raises(EngineMismatch, match=rf"built for sm_80 sm_120, this GPU is sm_89 \(Stand-in\); build it again with: {command}"):
        cached_plan(cache, parts, request, GPU)
    cache.store(parts, b"plan", {RUNS_ON: "sm_80 sm_89"})
    assert cached_plan(cache, parts, request, GPU) == b"plan"
