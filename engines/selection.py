"""Which backend serves a request: the fastest that is installed and finds its device, and why the others do not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from gi_plugin.config import BACKENDS, Config, EngineSettings
from gi_plugin.errors import EngineMismatch, EngineMissing
from gi_plugin.network_file import network_path

from .gpu.driver import find_gpu
from .protocol import BackendStatus, Engine
from .trt.package import TENSORRT_PACKAGES, TensorRtPackage

log = logging.getLogger(__name__)


def open_engine(config: Config, window: int) -> Engine:
    """Open the engine for windows of `window` pixels with the backend of the settings, or with the first one that can be used.

    :raises EngineMissing: if no backend, or not the one asked for, can be used; the message says why for each.
    :raises ModelError: if the network file cannot be used.
    """
    wanted = config.engine.backend
    if wanted not in ("auto", *BACKENDS):
        raise EngineMissing(f"unknown backend {wanted!r}: expected 'auto' or one of {', '.join(BACKENDS)}")
    skipped: list[str] = []
    for status in backend_status() if wanted == "auto" else [_status(wanted)]:
        if not status.available:
            skipped.append(f"{status.name}: {status.reason}")
            continue
        try:
            engine = _openers()[status.name](network_path(config.model.path), window, config.engine)
        except (EngineMissing, EngineMismatch, ImportError) as error:
            skipped.append(f"{status.name}: {error}")
            continue
        log.info("%s serves %d px windows%s", engine.backend, window, "".join(f"; {reason}" for reason in skipped))
        return engine
    raise EngineMissing("no engine can be used: " + "; ".join(skipped))


def backend_status() -> list[BackendStatus]:
    """Every backend in order of preference, with what speaks for or against it on this machine."""
    return [_status(name) for name in BACKENDS]


def _status(name: str) -> BackendStatus:
    if name in TENSORRT_PACKAGES:
        return _tensorrt_status(TENSORRT_PACKAGES[name])
    extra = {"openvino": "pip install openvino", "torch": "pip install 'gi-plugin[train]'"}[name]
    if find_spec(name) is None:
        return BackendStatus(name, available=False, reason=f"not installed; install it with: {extra}")
    return BackendStatus(name, available=True, reason="installed")


def _tensorrt_status(package: TensorRtPackage) -> BackendStatus:
    reason = package.status()
    if not reason:
        try:
            gpu = find_gpu()
        except (EngineMissing, ImportError) as error:
            reason = f"installed, but {error}"
        else:
            return BackendStatus(package.backend, available=True, reason=f"installed, {gpu.name} ({gpu.capability})")
    return BackendStatus(package.backend, available=False, reason=reason)


def _openers() -> dict[str, Callable[[Path, int, EngineSettings], Engine]]:
    packages = {name: partial(_tensorrt, package) for name, package in TENSORRT_PACKAGES.items()}
    return {**packages, "openvino": _openvino, "torch": _torch}


def _tensorrt(package: TensorRtPackage, network: Path, window: int, settings: EngineSettings) -> Engine:
    from .trt.engine import TensorRtEngine  # noqa: PLC0415  # heavy: imported by those who use it

    fp32 = replace(settings, precision="fp32")
    return TensorRtEngine(network, window, settings, package, lambda: _openvino(network, window, fp32))


def _openvino(network: Path, window: int, settings: EngineSettings) -> Engine:
    from .cpu.openvino_engine import OpenVinoEngine  # noqa: PLC0415  # heavy: imported by those who use it

    return OpenVinoEngine(network, window, settings)


def _torch(network: Path, window: int, settings: EngineSettings) -> Engine:
    from .torch_engine import TorchEngine  # noqa: PLC0415  # heavy: imported by those who use it

    return TorchEngine(network, window, settings)
