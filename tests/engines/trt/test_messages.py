"""Messages if something that TensorRT needs is missing, too old, or made for another machine."""

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
from gi_plugin.engines.trt import builder, package as package_module
from gi_plugin.engines.trt.builder import RUNS_ON, engine_parts, request_of
from gi_plugin.engines.trt.engine import cached_plan
from gi_plugin.engines.trt.package import TENSORRT, TENSORRT_PACKAGES, TENSORRT_RTX, TensorRtPackage
from gi_plugin.errors import EngineMismatch, EngineMissing, MissingDependency

NETWORK = network_file.network_path("")
GPU = Gpu("Stand-in", "sm_89", "13.0")
PIP = 'pip install "gi-plugin[{}]"'
EACH = pytest.mark.parametrize("package", TENSORRT_PACKAGES.values(), ids=TENSORRT_PACKAGES)


@pytest.fixture
def settings(tmp_path: Path) -> EngineSettings:
    return EngineSettings(layer="native", cache=str(tmp_path / "cache"))


def _raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


def _has(monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    """Simulate that the TensorRT packages are installed in a version, or not at all."""
    monkeypatch.setattr(package_module, "find_spec", lambda name: None if version is None else ModuleSpec(name, None))
    monkeypatch.setattr("importlib.metadata.version", lambda _: version)
    monkeypatch.setattr(package_module, "import_module", ModuleType)


def _gpu_is(monkeypatch: pytest.MonkeyPatch, gpu: Gpu | Exception) -> None:
    found = _raising(gpu) if isinstance(gpu, Exception) else lambda _: gpu
    for module in (doctor, selection, builder):
        monkeypatch.setattr(module, "find_gpu", found)


def _refusal(settings: EngineSettings, backend: str) -> str:
    """Return the message of `open_engine` for a backend that cannot be used."""
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
    """Every message names the installed and the needed version, and the pip command."""
    _gpu_is(monkeypatch, GPU)
    _has(monkeypatch, version)
    expected = text.format(module=package.module, oldest=package.oldest, pip=PIP.format(package.extra))
    assert package.status() == expected
    with pytest.raises(EngineMissing) as caught:
        package.load()
    assert str(caught.value) == f"{package.backend}: {expected}"
    assert _refusal(settings, package.backend).endswith(expected)
    assert [status.reason for status in backend_status() if status.name == package.backend] == [expected]


@EACH
def test_versions_are_compared_by_their_order(monkeypatch: pytest.MonkeyPatch, package: TensorRtPackage) -> None:
    """The oldest version itself is accepted. 10.10 is later than 10.9, and a pre-release is earlier than its release."""
    major, minor = map(int, package.oldest.split("."))
    accepted = [f"{major}.{minor}", f"{major}.{minor}.0.1", f"{major}.{minor + 1}", f"{major + 1}.0rc1", f"{major}.{minor}.post12.dev5"]
    too_old = [f"{major}.{minor - 1}.99", f"{major}.{minor}rc1", f"{major - 1}.99"]
    for version in (*accepted, *too_old):
        _has(monkeypatch, version)
        assert package.status().partition(",")[0] == ("" if version in accepted else f"{package.module} {version} is too old"), version


@EACH
def test_a_version_that_is_no_version(monkeypatch: pytest.MonkeyPatch, package: TensorRtPackage) -> None:
    """A version that cannot be compared is reported instead of crashing."""
    _has(monkeypatch, "unknown")
    expected = f"{package.module} has the version 'unknown', expected a number such as {package.oldest}; install it with: "
    assert package.status() == expected + PIP.format(package.extra)


def test_the_version_of_a_package_without_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorRT from the system's package manager has no metadata, so its `__version__` is used."""
    _has(monkeypatch, "")
    monkeypatch.setattr("importlib.metadata.version", _raising(PackageNotFoundError("tensorrt")))
    monkeypatch.setattr(package_module, "import_module", lambda _: SimpleNamespace(__version__="10.3.0"))
    assert TENSORRT.status().startswith("tensorrt 10.3.0 is too old")


@pytest.mark.parametrize("error", [ImportError("libnvinfer.so.11: cannot open shared object file"), OSError("bad magic number")])
def test_a_package_whose_libraries_do_not_load(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """The message contains the loader's own message."""
    _has(monkeypatch, "11.4.0")
    monkeypatch.setattr(package_module, "import_module", _raising(error))
    with pytest.raises(EngineMissing, match=f"tensorrt is installed, but cannot be loaded: {error}"):
        TENSORRT.load()


def test_a_broken_package_without_metadata_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch, settings: EngineSettings) -> None:
    """A package without metadata that cannot be loaded is skipped, with the loader's message as the reason."""
    _gpu_is(monkeypatch, GPU)
    _has(monkeypatch, "")
    monkeypatch.setattr("importlib.metadata.version", _raising(PackageNotFoundError("tensorrt")))
    monkeypatch.setattr(package_module, "import_module", _raising(OSError("libnvinfer.so.10: cannot open")))
    assert "libnvinfer.so.10: cannot open" in _refusal(settings, "tensorrt")


def _driver(**functions: Any) -> SimpleNamespace:
    """Make a driver with the functions given; the others report success."""
    status = SimpleNamespace(value=0, name="CUDA_SUCCESS")
    defaults = {"cuInit": lambda _: (status,), "cuDeviceGetCount": lambda: (status, 1)}
    return SimpleNamespace(**{**defaults, **functions})


FAILED = SimpleNamespace(value=803, name="CUDA_ERROR_SYSTEM_DRIVER_MISMATCH")
DRIVERS: dict[str, tuple[SimpleNamespace, str]] = {
    "older than the bindings": (_driver(cuInit=_raising(RuntimeError("cuInit not found\nin libcuda"))), "cuInit not found"),
    "too old": (_driver(cuInit=lambda _: (FAILED,)), "the CUDA driver reported CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"),
    "no device": (_driver(cuDeviceGetCount=lambda: (SimpleNamespace(value=0), 0)), "finds no device; check nvidia-smi"),
}


@pytest.mark.parametrize("case", DRIVERS)
def test_a_driver_that_is_missing_too_old_or_without_a_gpu(monkeypatch: pytest.MonkeyPatch, settings: EngineSettings, case: str) -> None:
    """One line says why no GPU can be used, and `doctor` adds that the CPU is used."""
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
    advice = doctor.examine(Config(engine=settings), None)["gpu in plain words"]
    assert advice.startswith("The CPU is used: no CUDA GPU can be used")
    assert "gi-plugin build --backend tensorrt-rtx" in advice


def test_no_driver_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's library is looked for before any CUDA package is imported."""
    monkeypatch.setattr(cuda_driver, "LIBRARY", "libcuda-is-not-here.so.1")
    monkeypatch.setattr(cuda_driver, "_driver", _raising(AssertionError("the driver package was imported")))
    with pytest.raises(EngineMissing, match=r"the NVIDIA driver's library libcuda-is-not-here.so.1 was not found; install the driver$"):
        find_gpu()


def test_properties_of_the_gpu_come_from_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name, capability and CUDA version are those that the driver reports."""
    success = SimpleNamespace(value=0)
    names = ("CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR", "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR")
    driver = _driver(
        cuDeviceGet=lambda _: (success, 7),
        CUdevice_attribute=SimpleNamespace(**dict(zip(names, (12, 0), strict=True))),
        cuDeviceGetAttribute=lambda attribute, _: (success, attribute),
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
    """If PyCUDA is missing, the message has the pip command; if it was built for another CUDA, the loader's message."""
    monkeypatch.setattr("gi_plugin.errors.import_module", _raising(error))
    with pytest.raises(kind) as caught:
        cuda_memory.Device()
    assert text in str(caught.value)


def test_cuda_bindings_that_are_missing(monkeypatch: pytest.MonkeyPatch, settings: EngineSettings) -> None:
    """On a machine with a driver, `open_engine` and `doctor` give the pip command."""
    _has(monkeypatch, "11.4.0")
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
        (TENSORRT, "auto", ("sm_89",), "tensorrt builds only for the GPU of this machine; --target is for tensorrt-rtx"),
    ],
)
def test_unsupported_settings_of_a_package(package: TensorRtPackage, layer: str, targets: tuple[str, ...], text: str) -> None:
    """A layer or target that a package does not support is an error before anything is built."""
    with pytest.raises(EngineMissing) as caught:
        request_of(NETWORK, 256, EngineSettings(layer=layer), package, targets)
    assert str(caught.value) == text


@EACH
def test_an_engine_that_is_missing_or_for_another_gpu(
    monkeypatch: pytest.MonkeyPatch, settings: EngineSettings, package: TensorRtPackage
) -> None:
    """The message has the command that builds the engine, and names both GPUs if the engine was built for another one."""
    _has(monkeypatch, "11.4.0")
    _gpu_is(monkeypatch, GPU)
    cache, request = EngineCache(Path(settings.cache)), request_of(NETWORK, 256, settings, package)
    command = f"gi-plugin build --backend {package.backend} --precision fp16 --window 256 --layer native --batch 1"
    command += "" if package.portable else " --device gpu:0"
    parts = engine_parts(request, None if package.portable else GPU)
    with pytest.raises(EngineMissing, match=f"^no engine has been built for 256 px windows; build it with: {command}$"):
        cached_plan(cache, parts, request, GPU)
    cache.store(parts, b"plan", {RUNS_ON: "sm_80 sm_120"})
    with pytest.raises(EngineMismatch, match=rf"built for sm_80 sm_120, this GPU is sm_89 \(Stand-in\); build it again with: {command}"):
        cached_plan(cache, parts, request, GPU)
    cache.store(parts, b"plan", {RUNS_ON: "sm_80 sm_89"})
    assert cached_plan(cache, parts, request, GPU) == b"plan"
