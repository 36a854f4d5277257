"""Building a TensorRT engine into the engine cache, and what an engine depends on."""

from __future__ import annotations

import hashlib
import json
import platform
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gi_plugin import network_file
from gi_plugin.config import EngineSettings, cache_directory
from gi_plugin.errors import EngineMismatch, EngineMissing

from ..attention.compile import source_hash
from ..cache import CachedEngine, EngineCache
from ..gpu.driver import Gpu, find_gpu
from ..protocol import check_window
from .build_process import run_worker
from .build_request import PLAN, Request
from .package import TENSORRT_PACKAGES, TensorRtPackage

OPTIMIZATION = 3  # TensorRT's own default level
SOURCES = ("layer", "layer_aot", "precision", "network", "worker")  # and the kernel's
PORTABLE = ("sm_80", "sm_86", "sm_89", "sm_120", "sm_121")  # what a portable build runs on if no target is named: Ampere and later
RUNS_ON = "runs on"  # note in the cache


@dataclass(frozen=True)
class Built:
    """An engine in the cache."""

    report: dict[str, Any]  # of the builder
    runs_on: str
    new: bool  # False: it was there already


def request_of(network: Path, window: int, settings: EngineSettings, package: TensorRtPackage, targets: Sequence[str] = ()) -> Request:
    """What the settings ask a builder for.

    :raises ConfigError: if the network does not take such windows.
    :raises EngineMissing: if this kind of TensorRT cannot do that.
    """
    check_window(window)
    layer = package.layers[0] if settings.layer == "auto" else settings.layer
    if layer not in package.layers:
        raise EngineMissing(
            f"{package.backend} has no attention layer of kind {layer!r}: set [engine] layer to {' or '.join(package.layers)}"
        )
    if targets and not package.portable:
        raise EngineMissing(f"{package.backend} builds for the GPU of this machine only; targets can be named for tensorrt-rtx")
    precision = "fp16" if settings.precision == "auto" else settings.precision
    if precision == "int8":
        raise EngineMissing(f"{package.backend} engines are built in fp32, fp16 or bf16; int8 is for openvino: set [engine] precision")
    return Request(package.backend, str(network), window, settings.batch, precision, layer, list(targets), OPTIMIZATION)


def engine_parts(request: Request, gpu: Gpu | None) -> dict[str, str]:
    """All that an engine depends on: its key in the cache.

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
    """Build an engine into the cache; one that is there already is kept, unless it was built for other GPUs.

    :param progress: gets the phase of the build.
    :raises EngineMissing: if the package, or a GPU that it needs, is not there.
    :raises EngineError: if the build fails; the message says where its log is.
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
    """What the cache holds, if it is as it was stored; a damaged entry is built again."""
    try:
        cache.load(parts)
        return cache.entry(parts)
    except EngineMismatch:
        return None


def build_command(request: Request) -> str:
    """The command line that builds what `request` says."""
    return f"gi-plugin build --backend {request.backend} --precision {request.precision} --window {request.window}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _source_hash() -> str:
    """Hash of the files that decide what is in an engine."""
    digest = hashlib.sha256(source_hash().encode())
    for name in SOURCES:
        digest.update((resources.files("gi_plugin.engines.trt") / f"{name}.py").read_bytes())
    return digest.hexdigest()[:16]
