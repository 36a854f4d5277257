"""Build TensorRT engines and store them in the engine cache, under a key of everything that an engine depends on."""

from __future__ import annotations

import hashlib
import json
import platform
import shlex
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gi_plugin import network_file
from gi_plugin.config import EngineSettings, cache_directory, config_source, user_config_file
from gi_plugin.errors import EngineMismatch, EngineMissing

from ..attention.compile import source_hash
from ..cache import CachedEngine, EngineCache
from ..gpu.driver import Gpu, find_gpu
from ..protocol import check_window
from .build_process import run_worker
from .build_request import PLAN, Request
from .package import TENSORRT_PACKAGES, TensorRtPackage

OPTIMIZATION = 3  # TensorRT's own default level
SOURCES = ("layer", "layer_aot", "precision", "network", "worker")  # hashed together with the kernel's
PORTABLE = ("sm_80", "sm_86", "sm_89", "sm_120", "sm_121")  # default targets of a portable build: Ampere and later
RUNS_ON = "runs on"  # note in the cache: the GPU architectures of the engine


@dataclass(frozen=True)
class Built:
    """An engine in the cache."""

    report: dict[str, Any]  # of the builder
    runs_on: str
    new: bool  # False: it was already in the cache


def request_of(
    network: Path,
    window: int,
    settings: EngineSettings,
    package: TensorRtPackage,
    targets: Sequence[str] = (),
    config_file: Path | None = None,
) -> Request:
    """Turn the settings into a request to the builder.

    :param targets: GPU architectures such as "sm_89", or "current"; empty: the package chooses.
    :param config_file: the file that the settings were read from, if any.
    :raises ConfigError: if the network does not accept windows of this size.
    :raises EngineMissing: if this TensorRT package does not support a setting.
    """
    check_window(window)
    layer = package.layers[0] if settings.layer == "auto" else settings.layer
    if layer not in package.layers:
        raise EngineMissing(
            f"{package.backend} has no attention layer of kind {layer!r}: set [engine] layer to {' or '.join(package.layers)}"
        )
    if targets and not package.portable:
        raise EngineMissing(f"{package.backend} builds only for the GPU of this machine; --target is for tensorrt-rtx")
    precision = "fp16" if settings.precision == "auto" else settings.precision
    if precision == "int8":
        raise EngineMissing(f"{package.backend} engines are built in fp32, fp16 or bf16; int8 is for openvino: set [engine] precision")
    file = str(config_file.absolute()) if config_file else ""
    return Request(package.backend, str(network), window, settings.batch, precision, layer, list(targets), OPTIMIZATION, file)


def engine_parts(request: Request, gpu: Gpu | None) -> dict[str, str]:
    """Collect everything that an engine depends on; the cache makes its key from it.

    :param gpu: the GPU that it is built for; None for a portable build.
    """
    package = TENSORRT_PACKAGES[request.backend]
    return {
        "network": network_file.fingerprint(Path(request.network)),
        "backend": f"{package.backend} {request.precision}",
        "builder": f"{_source_hash()}, triton {_version('triton')}",
        "package": f"{package.module} {package.installed()}",
        "device": "portable" if gpu is None else str(gpu),
        "system": f"{platform.system()} {platform.machine()}",
        "window": str(request.window),
        "batch": str(request.batch),
        "options": f"layer {request.layer}, optimization {request.optimization}",
    }


def build_engine(request: Request, settings: EngineSettings, progress: Callable[[str], None]) -> Built:
    """Build a TensorRT engine and store it in the cache, unless the cache already has it for the same GPUs.

    :param progress: called with the name of each phase.
    :raises EngineMissing: if the package, or the GPU that it needs, is missing.
    :raises EngineError: if the build fails; the message names the log file.
    """
    package = TENSORRT_PACKAGES[request.backend]
    package.load()
    gpu = None if package.portable else find_gpu()
    parts = engine_parts(request, gpu)
    targets = [find_gpu().capability if target == "current" else target for target in request.targets]
    runs_on = " ".join(targets or (PORTABLE if gpu is None else (gpu.capability,)))
    cache = EngineCache(cache_directory(settings))
    with cache.locked(parts):
        known = _intact(cache, parts)
        if known is not None and known.notes.get(RUNS_ON) == runs_on:
            return Built(json.loads(known.notes["report"]), runs_on, new=False)
        with tempfile.TemporaryDirectory(prefix="build-", dir=cache.directory) as folder:
            report = run_worker(request, package, Path(folder), progress)
            cache.store(parts, (Path(folder) / PLAN).read_bytes(), {RUNS_ON: runs_on, "report": json.dumps(report)})
    return Built(report, runs_on, new=True)


def _intact(cache: EngineCache, parts: dict[str, str]) -> CachedEngine | None:
    """Return the cache's entry if it is undamaged; a damaged one is built again."""
    try:
        cache.load(parts)
        return cache.entry(parts)
    except EngineMismatch:
        return None


def build_command(request: Request) -> str:
    """Return the command line that builds exactly this engine.

    Every choice is written out, so that no setting which the command reads can change the engine. `--config` is needed for the network
    and the cache folder; it is left out if the command reads this file anyway: the user's plugin.toml, without GI_PLUGIN_CONFIG.
    """
    options = {"backend": request.backend, "precision": request.precision, "window": request.window}
    options |= {"layer": request.layer, "batch": request.batch}
    if request.config_file and not Path(request.config_file) == user_config_file() == config_source():
        options["config"] = shlex.quote(request.config_file)
    return " ".join(("gi-plugin build", *(f"--{name} {value}" for name, value in options.items())))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _source_hash() -> str:
    """Hash the source files that determine the content of an engine."""
    digest = hashlib.sha256(source_hash().encode())
    for name in SOURCES:
        digest.update((resources.files("gi_plugin.engines.trt") / f"{name}.py").read_bytes())
    return digest.hexdigest()[:16]
