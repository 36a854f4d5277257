"""Real TensorRT-RTX engines of the packaged network, built without a GPU: what is in them, and when the cache serves them."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from gi_plugin import network_file
from gi_plugin.config import EngineSettings
from gi_plugin.engines.cache import PAYLOAD, SIDECAR, EngineCache
from gi_plugin.engines.gpu.driver import Gpu
from gi_plugin.engines.trt import builder as tensorrt_build, package as tensorrt_flavours
from gi_plugin.engines.trt.build_request import PLAN, Request
from gi_plugin.engines.trt.builder import PORTABLE, RUNS_ON, Built, build_engine, engine_parts, request_of
from gi_plugin.engines.trt.engine import cached_plan
from gi_plugin.engines.trt.package import TENSORRT, TENSORRT_RTX
from gi_plugin.errors import EngineMismatch

NETWORK = network_file.network_path("")
TRAINED, BASE = 42, 24  # convolutions with trained kernels, and those of the smooth base
NAMES = {"fp32": "FLOAT", "fp16": "HALF", "bf16": "BF16"}  # TensorRT's
GPU = Gpu("Stand-in", "sm_89", "13.0")
BUILDS = [(256, "fp32", "plugin"), (256, "fp16", "plugin"), (256, "bf16", "plugin"), (256, "fp16", "native")]
BUILDS += [(512, "fp32", "plugin"), (512, "fp16", "plugin")]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all, so that each engine is built once."""
    return tmp_path_factory.mktemp("cache")


def _settings(directory: Path, precision: str = "fp16", layer: str = "plugin", batch: int = 1) -> EngineSettings:
    return EngineSettings(precision=precision, layer=layer, batch=batch, cache=str(directory))


def _build(settings: EngineSettings, window: int = 256, targets: tuple[str, ...] = ()) -> tuple[Built, Request, list[str]]:
    phases: list[str] = []
    request = request_of(NETWORK, window, settings, TENSORRT_RTX, targets)
    return build_engine(request, settings, phases.append), request, phases


def _node() -> str:
    """Name of the attention node in the network file."""
    (node,) = (node for node in network_file.load(NETWORK).graph.node if node.op_type == network_file.ATTENTION)
    return str(node.name)


@pytest.mark.slow
@pytest.mark.parametrize(("window", "precision", "layer"), BUILDS)
def test_what_is_in_an_engine(directory: Path, window: int, precision: str, layer: str) -> None:
    """Our layer bears the node's name and its scale; trained convolutions are in the precision asked for, those of the base in fp32."""
    built, request, phases = _build(_settings(directory, precision, layer), window)
    assert (request.precision, request.layer) == (precision, layer)
    assert built.report["attention"] == ([{"name": _node(), "scale": 10.0}] if layer == "plugin" else [])
    convolutions = {kind: count for kind, count in built.report["precisions"].items() if kind.startswith("CONVOLUTION")}
    low = {} if precision == "fp32" else {f"CONVOLUTION {NAMES[precision]}": TRAINED}
    assert convolutions == {**low, "CONVOLUTION FLOAT": BASE + (TRAINED if precision == "fp32" else 0)}
    assert built.report["precisions"]["MATRIX_MULTIPLY FLOAT"] >= 1  # the products of cells
    assert "reading the network" in phases
    assert "Building engine" in phases

    cache, parts = EngineCache(directory), engine_parts(request, None)
    entry, plan = cache.entry(parts), cache.load(parts)
    assert entry is not None
    assert plan is not None
    assert len(plan) == entry.size == built.report["bytes"]
    assert entry.notes == {RUNS_ON: built.runs_on, "report": json.dumps(built.report)}
    assert built.runs_on.split() == list(PORTABLE)
    assert (network_file.ATTENTION.encode() in plan) is (layer == "plugin")
    assert cached_plan(cache, parts, request, GPU) == plan


@pytest.mark.slow
def test_an_engine_is_built_once_per_list_of_targets(directory: Path) -> None:
    """The second time it comes from the cache, with the same report; for other GPUs it is built again, and then serves those."""
    settings = _settings(directory, "fp16", "native")
    first, request, _ = _build(settings)
    plan = EngineCache(directory).load(engine_parts(request, None))
    again, _, phases = _build(settings)
    assert again == replace(first, new=False)
    assert phases == []
    other, request, phases = _build(settings, targets=("sm_120", "sm_89"))
    assert (other.new, other.runs_on) == (True, "sm_120 sm_89")
    assert phases
    cache, parts = EngineCache(directory), engine_parts(request, None)
    assert cached_plan(cache, parts, request, GPU)
    with pytest.raises(EngineMismatch, match="built for sm_120 sm_89, this GPU is sm_80"):
        cached_plan(cache, parts, request, replace(GPU, capability="sm_80"))
    assert cache.load(parts) != plan


def test_this_machines_gpu_as_a_target(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What was built for "current", as the message for another GPU's engine proposes, runs on the GPU that is there."""

    def build(_request: Request, _flavour: object, folder: Path, _tell: object) -> dict[str, Any]:
        (folder / PLAN).write_bytes(b"plan")
        return {}

    monkeypatch.setattr(tensorrt_build, "find_gpu", lambda: GPU)
    monkeypatch.setattr(tensorrt_build, "run_worker", build)  # TensorRT-RTX cannot build for "current" without a GPU
    built, request, _ = _build(_settings(tmp_path), targets=("current",))
    assert built.runs_on == "sm_89"
    assert cached_plan(EngineCache(tmp_path), engine_parts(request, None), request, GPU) == b"plan"


@pytest.mark.parametrize("damage", ["truncated", "changed", "sidecar", "other parts"])
def test_a_damaged_engine_never_reaches_tensorrt(tmp_path: Path, damage: str) -> None:
    """The sidecar does not fit what was changed: the engine is refused with the remedy."""
    request = request_of(NETWORK, 256, _settings(tmp_path), TENSORRT_RTX)
    cache, parts = EngineCache(tmp_path), engine_parts(request, None)
    cache.store(parts, b"plan of an engine", {RUNS_ON: " ".join(PORTABLE), "report": "{}"})
    entry = cache.entry(parts)
    assert entry is not None
    plan, sidecar = entry.folder / PAYLOAD, entry.folder / SIDECAR
    told = json.loads(sidecar.read_text(encoding="utf-8"))
    match damage:
        case "truncated":
            plan.write_bytes(plan.read_bytes()[:-1])
        case "changed":
            plan.write_bytes(plan.read_bytes()[:-1] + b"!")
        case "sidecar":
            sidecar.write_text(sidecar.read_text(encoding="utf-8")[:-1], encoding="utf-8")
        case _:
            sidecar.write_text(json.dumps({**told, "parts": {**parts, "device": "other"}}), encoding="utf-8")
    with pytest.raises(EngineMismatch, match="gi-plugin engines clear"):
        cached_plan(cache, parts, request, GPU)


def _parts(monkeypatch: pytest.MonkeyPatch, change: str, tmp_path: Path) -> dict[str, str]:
    """What an engine depends on once one thing is different."""
    request, gpu, package = request_of(NETWORK, 256, _settings(tmp_path), TENSORRT), GPU, tensorrt_flavours.TensorRtPackage
    installed = "11.4.0"
    match change:
        case "network":
            other = tmp_path / "other.onnx"
            other.write_bytes(NETWORK.read_bytes() + b"\0")
            request = replace(request, network=str(other))
        case "package":
            installed = "11.4.1"
        case "sources":
            monkeypatch.setattr(tensorrt_build, "SOURCES", tensorrt_build.SOURCES[1:])
        case "kernel":
            monkeypatch.setattr(tensorrt_build, "source_hash", lambda: "other")
        case "GPU" | "capability" | "driver":
            gpu = replace(gpu, **{{"GPU": "name"}.get(change, change): "other"})
        case "backend":
            request = replace(request, backend="tensorrt-rtx")
        case "no GPU":
            return engine_parts(request, None)
        case "":
            pass
        case _:
            values: dict[str, Any] = {"window": 512, "batch": 2, "precision": "bf16", "layer": "native", "optimization": 4}
            request = replace(request, **{change: values[change]})
    monkeypatch.setattr(package, "installed", lambda _: installed)
    return engine_parts(request, gpu)


CHANGES = ["network", "package", "sources", "kernel", "GPU", "capability", "driver", "backend", "no GPU"]
CHANGES += ["window", "batch", "precision", "layer", "optimization"]


@pytest.mark.parametrize("change", CHANGES)
def test_everything_that_an_engine_depends_on_is_in_its_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: str) -> None:
    """An engine serves only what it was built from and for; nothing else, such as where the network lies, matters."""
    monkeypatch.setattr(tensorrt_flavours.TensorRtPackage, "installed", lambda _: "11.4.0")
    before = _parts(monkeypatch, "", tmp_path)
    assert _parts(monkeypatch, change, tmp_path) != before
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(NETWORK.read_bytes())
    request = replace(request_of(NETWORK, 256, _settings(tmp_path), TENSORRT), network=str(copy), targets=["sm_89"])
    monkeypatch.undo()
    monkeypatch.setattr(tensorrt_flavours.TensorRtPackage, "installed", lambda _: "11.4.0")
    assert engine_parts(request, GPU) == before


def test_a_request_is_json(tmp_path: Path) -> None:
    """It passes to the builder's process whole."""
    request = request_of(NETWORK, 256, _settings(tmp_path, batch=3), TENSORRT_RTX, ("sm_89",))
    assert Request(**json.loads(json.dumps(asdict(request)))) == request
    assert (request.batch, request.targets, request.optimization) == (3, ["sm_89"], 3)
