"""Choose the backend: the fastest one that is installed and finds its device. The reasons against the others are kept."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec

from gi_plugin.config import Config, EngineSettings
from gi_plugin.errors import EngineMismatch, EngineMissing, is_shortage
from gi_plugin.network_file import THIN, network_path

from .gpu.driver import find_gpu
from .protocol import BackendStatus, Engine, ThinEngine
from .registry import BACKENDS, Opener
from .trt.package import TENSORRT_PACKAGES, TensorRtPackage

log = logging.getLogger(__name__)


def open_engine(config: Config, window: int) -> Engine:
    """Open an engine for windows of `window` pixels. The backend "auto" takes the first backend that can be used.

    :raises EngineMissing: if no backend, or not the one in the settings, can be used; the message gives the reason for each.
    :raises ModelError: if the network file cannot be used.
    """
    backend, known = config.engine.backend, BACKENDS.names()
    if backend not in ("auto", *known):
        raise EngineMissing(
            f"unknown backend {backend!r}: expected 'auto' or one of {', '.join(known)}; "
            "the backend of a plugin is known once the plugin is loaded (see: gi-plugin plugins)"
        )
    skipped: list[str] = []
    for name in known if backend == "auto" else [backend]:
        status = BACKENDS.get(name).status(config.engine)
        if not status.available:
            skipped.append(f"{status.name}: {status.reason}")
            continue
        try:
            engine = BACKENDS.get(status.name).open(config, window)
        except (EngineMissing, EngineMismatch, ImportError) as error:
            if is_shortage(error):
                raise
            skipped.append(f"{status.name}: {error}")
            continue
        log.info("%s runs windows of %d px%s", engine.backend, window, "".join(f"; {reason}" for reason in skipped))
        return engine
    raise EngineMissing("no engine can be used: " + "; ".join(skipped))


def open_thin_engine(config: Config) -> ThinEngine:
    """Open the engine of the tiny network for thin holes: PyTorch or OpenVINO if the settings name it, else OpenVINO on the CPU.

    The TensorRT backends leave thin holes to the CPU, whatever the device: a call takes milliseconds there.

    :raises EngineMissing: if its package is not installed.
    :raises ModelError: if the network file cannot be used.
    """
    network, named = network_path(config.model.thin, THIN), config.engine.backend in ("openvino", "torch")
    settings = config.engine if named else replace(config.engine, backend="openvino", device="cpu")
    status = _status(settings.backend, settings)
    if not status.available:
        raise EngineMissing(f"no engine can be used for thin holes: {status.name}: {status.reason}")
    if status.name == "torch":
        from .thin.torch_thin import TorchThin  # noqa: PLC0415  # slow import, only needed for this backend

        return TorchThin(network, settings)
    from .thin.openvino_thin import OpenVinoThin  # noqa: PLC0415  # slow import, only needed for this backend

    return OpenVinoThin(network, settings)


def backend_status(settings: EngineSettings | None = None) -> list[BackendStatus]:
    """List all backends in order of preference, each with the reason why it can or cannot be used here.

    :param settings: those that choose the device; None: the defaults.
    """
    return [BACKENDS.get(name).status(settings or EngineSettings()) for name in BACKENDS.names()]


def register_engines(register: Callable[..., None]) -> None:
    """Register our backends, as a plugin does with the hook of the same name."""
    for name, opener in OPENERS.items():
        register(name, opener, partial(_status, name))


def _status(name: str, settings: EngineSettings) -> BackendStatus:
    if name in TENSORRT_PACKAGES:
        return _tensorrt_status(TENSORRT_PACKAGES[name], settings)
    extra = {"openvino": "pip install openvino", "torch": 'pip install "gi-plugin[train]"'}[name]
    if find_spec(name) is None:
        return BackendStatus(name, available=False, reason=f"not installed; install it with: {extra}")
    try:
        _check_gpu(name, settings)
    except EngineMissing as error:
        return BackendStatus(name, available=False, reason=f"installed, but {error}")
    return BackendStatus(name, available=True, reason="installed")


def _check_gpu(name: str, settings: EngineSettings) -> None:
    """Check that OpenVINO or PyTorch finds the GPU, if the settings name one."""
    if not settings.device.startswith("gpu"):
        return
    if name == "openvino":
        from .cpu.compiled import device_of  # noqa: PLC0415  # slow import, only needed if the settings name a GPU

        device_of(settings)
    else:
        from .torch_engine import torch_device  # noqa: PLC0415  # slow import, as above

        torch_device(settings)


def _tensorrt_status(package: TensorRtPackage, settings: EngineSettings) -> BackendStatus:
    unavailable = partial(BackendStatus, package.backend, available=False)
    if reason := package.missing():
        return unavailable(reason=reason)
    if settings.device == "cpu":
        return unavailable(reason="installed, but [engine] device = 'cpu', and it runs only on GPUs")
    try:
        gpu = find_gpu(settings.gpu_number())
        package.check_capability(gpu.capability)
    except (EngineMissing, ImportError) as error:
        return unavailable(reason=f"installed, but {error}")
    if reason := package.status():  # after the GPU: without one, looking up the version would take 20 ms of the first call
        return unavailable(reason=reason)
    return BackendStatus(package.backend, available=True, reason=f"installed, {gpu.name} ({gpu.capability})")


def _tensorrt(package: TensorRtPackage, config: Config, window: int) -> Engine:
    from .trt.engine import TensorRtEngine  # noqa: PLC0415  # slow import, only needed for this backend

    fp32 = replace(config, engine=replace(config.engine, precision="fp32", device="cpu"))
    network = network_path(config.model.path)
    return TensorRtEngine(network, window, config.engine, package, lambda: _openvino(fp32, window), config.source)


def _openvino(config: Config, window: int) -> Engine:
    from .cpu.openvino_engine import OpenVinoEngine  # noqa: PLC0415  # slow import, only needed for this backend

    return OpenVinoEngine(network_path(config.model.path), window, config.engine)


def _torch(config: Config, window: int) -> Engine:
    from .torch_engine import TorchEngine  # noqa: PLC0415  # slow import, only needed for this backend

    return TorchEngine(network_path(config.model.path), window, config.engine)


OPENERS: dict[str, Opener] = {
    **{name: partial(_tensorrt, package) for name, package in TENSORRT_PACKAGES.items()},
    "openvino": _openvino,
    "torch": _torch,
}
register_engines(BACKENDS.register)
