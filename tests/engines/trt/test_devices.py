"""The setting [engine] device, and GPUs that a TensorRT package does not support."""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from gi_plugin.cli import diagnosis as doctor
from gi_plugin.config import Config, EngineSettings, parse_config
from gi_plugin.engines import Engine, backend_status, open_engine, selection
from gi_plugin.engines.cpu.openvino_engine import OpenVinoEngine
from gi_plugin.engines.gpu import driver as cuda_driver
from gi_plugin.engines.gpu.driver import Gpu, find_gpu
from gi_plugin.engines.trt import builder, check, engine as engine_module, package as package_module
from gi_plugin.engines.trt.build_process import run_worker
from gi_plugin.engines.trt.builder import Built, build_command, request_of
from gi_plugin.engines.trt.package import TENSORRT, TENSORRT_RTX
from gi_plugin.errors import ConfigError, EngineError, EngineMissing
from gi_plugin.network_file import network_path
from tests.gi_plugin.command import Cli

HOPPER = Gpu("Stand-in H", "sm_90", "13.0")
REFUSED = "tensorrt-rtx does not support the compute capability sm_90; it supports sm_80, sm_86, sm_89, sm_120, sm_121"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """Simulate a machine with TensorRT-RTX, PyCUDA and GPUs that it does not support; return the numbers that were asked for."""
    numbers: list[int] = []

    def find(number: int = 0) -> Gpu:
        numbers.append(number)
        return HOPPER

    for module in (doctor, selection, builder, check, engine_module, cuda_driver):
        monkeypatch.setattr(module, "find_gpu", find)
    for module in (doctor, package_module):
        monkeypatch.setattr(module, "find_spec", lambda name: ModuleSpec(name, None) if name in {"tensorrt_rtx", "pycuda"} else None)
    monkeypatch.setattr("importlib.metadata.version", lambda _: "1.7.1")
    monkeypatch.setattr(package_module, "import_module", ModuleType)
    monkeypatch.setenv("GI_PLUGIN_CACHE", str(tmp_path))
    return numbers


@pytest.mark.usefixtures("asked")
def test_an_engine_for_a_gpu_that_is_not_supported_is_refused_at_once() -> None:
    """`open_engine`, the list of backends and `doctor` name the capability, those that are supported, and another backend."""
    with pytest.raises(EngineMissing) as caught:
        open_engine(Config(engine=EngineSettings(backend="tensorrt-rtx")), 256)
    assert REFUSED in str(caught.value)
    assert "use backend 'tensorrt', or 'torch' with [engine] device = 'gpu'" in str(caught.value)
    assert any(REFUSED in status.reason and not status.available for status in backend_status())
    assert doctor.examine(Config(), None)["gpu in plain words"].startswith(
        f"{HOPPER} is there, but {REFUSED}: set [engine] backend = 'torch'"
    )


@pytest.mark.usefixtures("asked")
def test_a_portable_build_says_that_it_is_for_other_machines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`gi-plugin build` says before it builds that the engine will not run on the GPU here, unless targets are named."""
    monkeypatch.setattr(builder, "build_engine", lambda *_: Built({"seconds": 1}, "sm_89", new=True))
    cli = Cli(monkeypatch, capsys)
    said = [cli("build", "--backend", "tensorrt-rtx", "--window", "128", *more).lines for more in ((), ("--target", "sm_89"))]
    assert said[0][0] == f"Stand-in H: {REFUSED}. The engine will run on other machines only."
    assert said[0][1:] == said[1]
    assert said[1][0].endswith("not compared with fp32: it does not run on the GPU here, sm_90")


@pytest.mark.parametrize(("device", "number"), [("auto", 0), ("gpu", 0), ("gpu:0", 0), ("gpu:3", 3), ("gpu:12", 12)])
def test_the_setting_chooses_the_gpu(asked: list[int], device: str, number: int) -> None:
    """The number behind the colon is the GPU that is looked for, whose engine is built; the build command has it as well."""
    config = Config(engine=EngineSettings(device=device))
    backend_status(config.engine)
    doctor.examine(config, None)
    assert asked
    assert set(asked) == {number}
    request = request_of(network_path(""), 128, config.engine, TENSORRT)
    assert build_command(request).endswith(f" --device gpu:{number}")
    assert "--device" not in build_command(request_of(network_path(""), 128, config.engine, TENSORRT_RTX))


@pytest.mark.parametrize("device", ["cuda", "gpu:", "gpu:-1", "GPU", "gpu:1 ", ""])
def test_another_device_is_an_error(device: str) -> None:
    """A device that has no such form is refused, and the message lists the forms."""
    with pytest.raises(ConfigError, match=r"\[engine\] device = .*: expected 'auto', 'cpu', 'gpu' or a numbered GPU such as 'gpu:1'"):
        parse_config(f"[engine]\ndevice = '{device}'", "plugin.toml")


@pytest.mark.usefixtures("asked")
def test_the_cpu_as_device_rules_out_tensorrt() -> None:
    """With device = "cpu" TensorRT is not available although there is a GPU, and `doctor` says why the CPU is used."""
    settings = EngineSettings(device="cpu")
    (status,) = [status for status in backend_status(settings) if status.name == "tensorrt-rtx"]
    assert (status.available, status.reason) == (False, "installed, but [engine] device = 'cpu', and it runs only on GPUs")
    assert doctor.examine(Config(engine=settings), None)["gpu in plain words"].startswith("The CPU is used: [engine] device = 'cpu'.")


def test_windows_that_overflow_on_a_gpu_run_on_the_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """OpenVINO, which runs them again in fp32, takes the CPU although the settings name a GPU."""
    opened: list[Callable[[], Engine]] = []
    monkeypatch.setattr(engine_module, "TensorRtEngine", lambda *arguments: opened.append(arguments[4]))
    settings = EngineSettings(backend="tensorrt", device="gpu:1", cache=str(tmp_path))
    selection._tensorrt(TENSORRT, Config(engine=settings), 72)  # noqa: SLF001
    engine = opened[0]()
    assert engine.backend == "openvino fp32"
    engine.close()


def test_a_new_engine_is_compared_with_the_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`gi-plugin build --device gpu:1` compares with OpenVINO on the CPU."""
    monkeypatch.setattr(check, "find_gpu", lambda _: HOPPER)
    settings = EngineSettings(device="gpu:1", cache=str(tmp_path))
    request = request_of(network_path(""), 72, settings, TENSORRT)

    def open_fp32(config: Config, window: int) -> Engine:
        assert config.engine.backend == "tensorrt"
        return OpenVinoEngine(network_path(""), window, EngineSettings(precision="fp32", cache=str(tmp_path)))

    said = check.compare(Config(engine=settings), request, Built({}, HOPPER.capability, new=True), open_fp32)
    assert said == "differs from fp32 by 0.000 of 255 in the hole"


def test_a_gpu_of_pytorch_is_not_promised_to_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    """With device = "gpu" the list of backends and `doctor` say that OpenVINO has no such GPU, and that PyTorch has."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    for module in (doctor, selection):
        monkeypatch.setattr(module, "find_gpu", lambda _=0: HOPPER)
    config = Config(engine=EngineSettings(device="gpu"))
    statuses = {status.name: status for status in backend_status(config.engine)}
    assert statuses["openvino"].reason.startswith("installed, but openvino finds no GPU")
    assert [statuses[name].available for name in ("openvino", "torch")] == [False, True]
    found = doctor.examine(config, None)
    assert (found["backend chosen by 'auto'"], found["gpu in plain words"]) == ("torch", f"{HOPPER} is used by PyTorch.")


@pytest.mark.parametrize(
    ("device", "packages", "expected"),
    [
        ("auto", {"pycuda", "triton"}, "on the CPU"),
        ("gpu", {"pycuda", "triton"}, f"on {HOPPER}, if its kernels can be compiled; else on the CPU"),
        ("gpu", {"triton"}, 'on the CPU: pycuda is not installed; install it with: pip install "gi-plugin[tensorrt]"'),
    ],
)
def test_doctor_says_where_the_transfer_runs(
    monkeypatch: pytest.MonkeyPatch, asked: list[int], device: str, packages: set[str], expected: str
) -> None:
    """It runs on the GPU only if the settings name one, and the packages are there."""
    monkeypatch.setattr(doctor, "find_spec", lambda name: ModuleSpec(name, None) if name in packages else None)
    assert doctor.examine(Config(engine=EngineSettings(device=device)), None)["transfer"] == expected
    assert set(asked) == {0}


@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_a_gpu_that_is_not_there_is_an_error(backend: str, tmp_path: Path) -> None:
    """A backend that finds no such GPU says what it finds, and which setting to change."""
    settings = EngineSettings(backend=backend, device="gpu:63", cache=str(tmp_path))
    with pytest.raises(EngineMissing, match=rf"{backend}.* finds .*set \[engine\] device"):
        open_engine(Config(engine=settings), 128)


def test_the_driver_counts_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number above those of the driver's GPUs is an error that says how many there are."""
    success = SimpleNamespace(value=0)
    driver = SimpleNamespace(cuInit=lambda _: (success,), cuDeviceGetCount=lambda: (success, 2))
    monkeypatch.setattr(cuda_driver, "_driver", lambda: driver)
    monkeypatch.setattr(cuda_driver, "LIBRARY", None)  # the program itself, which can always be opened
    with pytest.raises(EngineMissing, match=r"there is no gpu:2, the driver finds 2; set \[engine\] device"):
        find_gpu(2)


@pytest.mark.parametrize(("visible", "number", "expected"), [("", 0, ""), ("", 2, "2"), ("5,7", 0, "5,7"), ("5,7", 1, "7"), ("5", 1, "5")])
def test_the_builder_sees_only_the_chosen_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, visible: str, number: int, expected: str
) -> None:
    """The builder's process gets the number as its only GPU, counted among those that are visible; a portable build needs none."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    told: list[str] = []

    def start(_command: object, *, env: dict[str, str], **_: object) -> None:
        told.append(env["CUDA_VISIBLE_DEVICES"])
        raise EngineError("not started in this test")

    monkeypatch.setattr("subprocess.Popen", start)
    (tmp_path / "build").mkdir()
    request = request_of(network_path(""), 128, EngineSettings(device=f"gpu:{number}"), TENSORRT)
    with pytest.raises(EngineError, match="not started"):
        run_worker(request, TENSORRT, tmp_path / "build", lambda _: None)
    assert told == [expected]


def test_capabilities_belong_to_the_package() -> None:
    """A package without a list of capabilities supports every GPU."""
    assert TENSORRT.refusal("sm_90") == ""
    assert [TENSORRT_RTX.refusal(capability) == "" for capability in ("sm_75", "sm_89", "sm_120")] == [False, True, True]
