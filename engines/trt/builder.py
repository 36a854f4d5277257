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
from gi_plugin.config import EngineSettings, config_source, user_config_file
from gi_plugin.errors import EngineMismatch, EngineMissing

from ..attention.compile import source_hash
from ..cache import CachedEngine, EngineCache, engine_cache
from ..gpu.driver import Gpu, find_gpu
from ..protocol import check_window
from .build_process import run_worker
from .build_request import PLAN, Request
from .package import TENSORRT_PACKAGES, TensorRtPackage

OPTIMIZATION = 3  # TensorRT's own default level
SOURCES = ("layer", "layer_aot", "precision", "network", "worker")  # hashed together with the kernel's
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
    options = (window, settings.batch, precision, layer, list(targets), OPTIMIZATION, settings.gpu_number())
    return Request(package.backend, str(network), *options, file)


def engine_parts(request: Request, gpu: Gpu | None) -> dict[str, str]:
    """Collect everything that an engine depends on; the cache makes its key from it.

    :param gpu: the GPU that it is built for; None for a portable build, which depends on its targets instead.
    """
    package = TENSORRT_PACKAGES[request.backend]
    return {
        "network": network_file.fingerprint(Path(request.network)),
        "backend": f"{package.backend} {request.precision}",
        "builder": f"{_source_hash()}, triton {_version('triton')}",
        "package": f"{package.module} {package.installed()}",
        "device": " ".join(sorted(targets_of(request))) if gpu is None else str(gpu),
        "system": f"{platform.system()} {platform.machine()}",
        "window": str(request.window),
        "batch": str(request.batch),
        "options": f"layer {request.layer}, optimization {request.optimization}",
    }


def build_engine(request: Request, settings: EngineSettings, progress: Callable[[str], None]) -> Built:
    """Build a TensorRT engine and store it in the cache, unless the cache already has it for the same GPUs.

    :param progress: called with the name of each phase.
    :raises EngineMissing: if the package, or the GPU that it needs, is missing, or the package does not support a GPU architecture.
    :raises EngineError: if the build fails; the message names the log file.
    """
    package = TENSORRT_PACKAGES[request.backend]
    package.load()
    gpu = None if package.portable else find_gpu(request.device)
    targets = targets_of(request) if gpu is None else [gpu.capability]
    for target in targets:
        package.check_capability(target)
    parts, cache, runs_on = engine_parts(request, gpu), engine_cache(settings), " ".join(targets)
    with cache.locked(parts):
        known = _intact(cache, parts)
        if known is not None:
            return Built(json.loads(known.notes["report"]), runs_on, new=False)
        with tempfile.TemporaryDirectory(prefix="build-", dir=cache.directory) as folder:
            report = run_worker(request, package, Path(folder), progress)
            cache.store(parts, (Path(folder) / PLAN).read_bytes(), {RUNS_ON: runs_on, "report": json.dumps(report)})
    return Built(report, runs_on, new=True)


def targets_of(request: Request) -> list[str]:
    """Return the GPU architectures of a portable build."""
    named = request.targets or TENSORRT_PACKAGES[request.backend].capabilities
    return [find_gpu(request.device).capability if target == "current" else target for target in named]


def cached_parts(cache: EngineCache, request: Request, gpu: Gpu) -> dict[str, str]:
    """Return the parts of the cached engine for a request and a GPU; if there is none, the parts that it would have.

    A portable build may have had any targets: the newest engine whose targets include the GPU is taken, else the newest one.
    """
    if not TENSORRT_PACKAGES[request.backend].portable:
        return engine_parts(request, gpu)
    parts = engine_parts(request, None)

    def rank(entry: CachedEngine) -> tuple[bool, float]:
        return gpu.capability in entry.notes.get(RUNS_ON, "").split(), entry.created

    found = cache.having({name: part for name, part in parts.items() if name != "device"})
    return max(found, key=rank).parts if found else parts


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
    if not TENSORRT_PACKAGES[request.backend].portable:
        options["device"] = f"gpu:{request.device}"
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
