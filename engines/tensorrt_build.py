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
from gi_plugin.engines.attention_kernel_build import source_hash
from gi_plugin.engines.build_process import run_worker
from gi_plugin.engines.build_request import PLAN, Request
from gi_plugin.engines.cache import CachedEngine, EngineCache
from gi_plugin.engines.cuda_driver import Gpu, find_gpu
from gi_plugin.engines.protocol import check_window
from gi_plugin.engines.tensorrt_flavours import FLAVOURS, Flavour
from gi_plugin.errors import EngineMismatch, EngineMissing

OPTIMIZATION = 3  # TensorRT's own default level
SOURCES = ("attention_layer", "attention_layer_aot", "network_precision", "tensorrt_network", "tensorrt_worker")  # and the kernel's
PORTABLE = ("sm_80", "sm_86", "sm_89", "sm_120", "sm_121")  # what a portable build runs on if no target is named: Ampere and later
RUNS_ON = "runs on"  # note in the cache


@dataclass(frozen=True)
class Built:
    """An engine in the cache."""

    report: dict[str, Any]  # of the builder
    runs_on: str
    new: bool  # False: it was there already


def request_of(network: Path, window: int, settings: EngineSettings, flavour: Flavour, targets: Sequence[str] = ()) -> Request:
    """What the settings ask a builder for.

    :raises ConfigError: if the network does not take such windows.
    :raises EngineMissing: if this kind of TensorRT cannot do that.
    """
    check_window(window)
    layer = flavour.layers[0] if settings.layer == "auto" else settings.layer
    if layer not in flavour.layers:
        raise EngineMissing(
            f"{flavour.backend} has no attention layer of kind {layer!r}: set [engine] layer to {' or '.join(flavour.layers)}"
        )
    if targets and not flavour.portable:
        raise EngineMissing(f"{flavour.backend} builds for the GPU of this machine only; targets can be named for tensorrt-rtx")
    precision = "fp16" if settings.precision == "auto" else settings.precision
    if precision == "int8":
        raise EngineMissing(f"{flavour.backend} engines are built in fp32, fp16 or bf16; int8 is for openvino: set [engine] precision")
    return Request(flavour.backend, str(network), window, settings.batch, precision, layer, list(targets), OPTIMIZATION)


def engine_parts(request: Request, gpu: Gpu | None) -> dict[str, str]:
    """All that an engine depends on: its key in the cache.

    :param gpu: the GPU that it is built for; None for a portable build.
    """
    flavour = FLAVOURS[request.backend]
    return {
        "network": network_file.fingerprint(Path(request.network)),
        "backend": f"{flavour.backend} {request.precision}",
        "builder": f"{_source_hash()}, triton {_version('triton')}",
        "package": f"{flavour.module} {flavour.installed()}",
        "device": "portable" if gpu is None else str(gpu),
        "system": f"{platform.system()} {platform.machine()}",
        "window": str(request.window),
        "batch": str(request.batch),
        "options": f"layer {request.layer}, optimization {request.optimization}",
    }


def build_engine(request: Request, settings: EngineSettings, tell: Callable[[str], None]) -> Built:
    """Build an engine into the cache; one that is there already is kept, unless it was built for other GPUs.

    :param tell: gets the phase of the build.
    :raises EngineMissing: if the package, or a GPU that it needs, is not there.
    :raises EngineError: if the build fails; the message says where its log is.
    """
    flavour = FLAVOURS[request.backend]
    flavour.load()
    gpu = None if flavour.portable else find_gpu()
    parts = engine_parts(request, gpu)
    targets = [find_gpu().capability if target == "current" else target for target in request.targets]
    runs_on = " ".join(targets or (PORTABLE if gpu is None else (gpu.capability,)))
    cache = EngineCache(cache_directory(settings))
    with cache.locked(parts):
        known = _intact(cache, parts)
        if known is not None and known.notes.get(RUNS_ON) == runs_on:
            return Built(json.loads(known.notes["report"]), runs_on, new=False)
        with tempfile.TemporaryDirectory(prefix="build-", dir=cache.directory) as folder:
            report = run_worker(request, flavour, Path(folder), tell)
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
        digest.update((resources.files("gi_plugin.engines") / f"{name}.py").read_bytes())
    return digest.hexdigest()[:16]
