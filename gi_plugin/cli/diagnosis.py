"""The findings of `gi-plugin doctor`: installed packages, available backends, network, cache and settings."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gi_plugin
from gi_plugin.engines import EngineCache, backend_status
from gi_plugin.engines.gpu.driver import Gpu, find_gpu
from gi_plugin.engines.trt.builder import build_command, cached_parts, request_of
from gi_plugin.engines.trt.package import TENSORRT_PACKAGES, TENSORRT_RTX, TensorRtPackage

from .. import network_file
from ..config import Config, cache_directory, user_config_file
from ..errors import EngineMissing, GiError, MissingDependency
from ..planning import SIZES

DISTRIBUTIONS = ("numpy", "pluggy", "scikit-image", "pillow", "openvino", "onnx", "torch", "tensorrt", "tensorrt-rtx", "pycuda", "triton")


def examine(config: Config, source: Path | None) -> dict[str, Any]:
    """Examine this installation, without opening or building an engine.

    :param source: the file that `config` was read from; None if the defaults apply.
    """
    statuses = backend_status(config.engine)
    chosen = next((status.name for status in statuses if status.available), None)
    return {
        "version": gi_plugin.__version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "gpu": _gpu(),
        "gpu in plain words": _describe_gpu(config, config.engine.backend if config.engine.backend != "auto" else chosen),
        "transfer": _describe_transfer(config),
        "packages": {name: _version(name) for name in DISTRIBUTIONS},
        "backends": [{"name": status.name, "available": status.available, "reason": status.reason} for status in statuses],
        "backend setting": config.engine.backend,
        "backend chosen by 'auto'": chosen,
        "network": _network(config),
        "cache": _cache(config),
        "settings": str(source) if source else f"defaults ({_no_settings()})",
    }


def _cache(config: Config) -> dict[str, Any] | str:
    try:
        cache = cache_directory(config.engine)
    except OSError as error:
        return f"none: {error}"
    return {"folder": str(cache), "engines": len(EngineCache(cache).entries()), "writable": _writable(cache)}


def _no_settings() -> str:
    try:
        return f"there is no {user_config_file()}"
    except OSError as error:
        return str(error)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _gpu() -> str:
    drivers = Path("/proc/driver/nvidia/gpus")
    names = [
        line.split(":", 1)[1].strip()
        for information in sorted(drivers.glob("*/information"))
        for line in information.read_text(encoding="utf-8").splitlines()
        if line.startswith("Model")
    ]
    return ", ".join(names) or "no NVIDIA GPU driver found: the network runs on the CPU"


def _describe_gpu(config: Config, backend: str | None) -> str:
    """Say whether a GPU runs the network, and if not, the next step towards it.

    :param backend: that in the settings, or the one that "auto" chooses.
    """
    try:
        gpu = _chosen_gpu(config)
    except MissingDependency:
        return 'The CPU is used. To use an NVIDIA GPU, install its driver and: pip install "gi-plugin[tensorrt]" (or [rtx] for RTX GPUs).'
    except EngineMissing as error:
        hint = " TensorRT-RTX engines for other machines can be built here: gi-plugin build --backend tensorrt-rtx."
        return f"The CPU is used: {error}.{'' if TENSORRT_RTX.status() else hint}"
    if backend == "torch" and _torch_finds_gpu(config):
        return f"{gpu} is used by PyTorch."
    installed = [
        package for package in TENSORRT_PACKAGES.values() if not package.status() and config.engine.layer in ("auto", *package.layers)
    ]
    usable = [package for package in installed if not package.refusal(gpu.capability)]
    if not usable:
        refusals = "; ".join(package.refusal(gpu.capability) for package in installed)
        reason = f"but {refusals}: set [engine] backend = 'torch', or" if refusals else "TensorRT is not:"
        return f'{gpu} is there, {reason} pip install "gi-plugin[tensorrt]" (or [rtx] for RTX GPUs). Until then the CPU is used.'
    if find_spec("pycuda") is None:
        return f"{gpu} and {usable[0].module} are there, PyCUDA is not: pip install pycuda (it needs a C++ compiler and the CUDA toolkit)."
    return _describe_engines(config, gpu, usable)


def _torch_finds_gpu(config: Config) -> bool:
    from ..engines.torch_engine import torch_device  # noqa: PLC0415  # heavy

    try:
        return torch_device(config.engine).type == "cuda"
    except EngineMissing:
        return False


def _describe_transfer(config: Config) -> str:
    """Say where the detail transfer runs."""
    if not config.engine.device.startswith("gpu"):
        return "on the CPU"
    missing = [package for package in ("pycuda", "triton") if find_spec(package) is None]
    if missing:
        return f'on the CPU: {missing[0]} is not installed; install it with: pip install "gi-plugin[tensorrt]"'
    try:
        return f"on {find_gpu(config.engine.gpu_number())}, if its kernels can be compiled; else on the CPU"
    except (EngineMissing, ImportError) as error:
        return f"on the CPU: {error}"


def _chosen_gpu(config: Config) -> Gpu:
    if config.engine.device == "cpu":
        raise EngineMissing("[engine] device = 'cpu'")
    return find_gpu(config.engine.gpu_number())


def _describe_engines(config: Config, gpu: Gpu, usable: list[TensorRtPackage]) -> str:
    """Say whether the cache holds the engines for a GPU, and if not, the command that builds them."""
    cache = EngineCache(cache_directory(config.engine))
    try:
        network = network_file.network_path(config.model.path)
        requests = [request_of(network, side, config.engine, usable[0], config_file=config.source) for side in SIZES[config.hook.detail]]
        missing = [entry for entry in requests if cache.entry(cached_parts(cache, entry, gpu)) is None]
    except GiError as error:
        return f"{gpu} and {usable[0].module} are there, but: {error}"
    if missing:
        return f"{gpu} and {usable[0].module} are there, but no engine is built: {build_command(missing[0])}"
    return f"{gpu} is used, with engines for both window sizes."


def _network(config: Config) -> dict[str, str]:
    try:
        path = network_file.network_path(config.model.path)
        return {"file": str(path), "sha256": network_file.fingerprint(path), **network_file.metadata(network_file.load(path))}
    except GiError as error:
        return {"error": str(error)}


def _writable(folder: Path) -> bool:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return existing.is_dir() and os.access(existing, os.W_OK)
