"""Real TensorRT-RTX engines of the packaged network, built without a GPU: their content and their cache entries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from gi_plugin import network_file
from gi_plugin.config import EngineSettings
from gi_plugin.engines.cache import PAYLOAD, SIDECAR, EngineCache
from gi_plugin.engines.gpu.driver import Gpu
from gi_plugin.engines.trt import builder
from gi_plugin.engines.trt.build_request import PLAN, Request
from gi_plugin.engines.trt.builder import RUNS_ON, Built, build_engine, cached_parts, engine_parts, request_of
from gi_plugin.engines.trt.engine import cached_plan
from gi_plugin.engines.trt.package import TENSORRT, TENSORRT_RTX, TensorRtPackage
from gi_plugin.errors import EngineMismatch, EngineMissing

NETWORK = network_file.network_path("")
TRAINED, BASE = 42, 24  # numbers of convolutions with trained kernels and in the smooth base
NAMES = {"fp32": "FLOAT", "fp16": "HALF", "bf16": "BF16"}  # TensorRT's
GPU = Gpu("Stand-in", "sm_89", "13.0")
BUILDS = [(256, "fp32", "plugin"), (256, "fp16", "plugin"), (256, "bf16", "plugin"), (256, "fp16", "native")]
BUILDS += [(512, "fp32", "plugin"), (512, "fp16", "plugin")]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests, so that each engine is built once."""
    return tmp_path_factory.mktemp("cache")


def _settings(directory: Path, precision: str = "fp16", layer: str = "plugin", batch: int = 1) -> EngineSettings:
    return EngineSettings(precision=precision, layer=layer, batch=batch, cache=str(directory))


def _build(settings: EngineSettings, window: int = 256, targets: tuple[str, ...] = ()) -> tuple[Built, Request, list[str]]:
    phases: list[str] = []
    request = request_of(NETWORK, window, settings, TENSORRT_RTX, targets)
    return build_engine(request, settings, phases.append), request, phases


def _node() -> str:
    """Return the name of the attention node in the network file."""
    (node,) = (node for node in network_file.load(NETWORK).graph.node if node.op_type == network_file.ATTENTION)
    return str(node.name)


@pytest.fixture(scope="module")
def builds(directory: Path) -> Iterator[dict[tuple[int, str, str], Future[tuple[Built, Request, list[str]]]]]:
    """All engines of BUILDS, two of which are built at the same time."""
    with ThreadPoolExecutor(2) as pool:
        yield {(window, *kind): pool.submit(_build, _settings(directory, *kind), window) for window, *kind in BUILDS}


@pytest.mark.slow
@pytest.mark.parametrize(("window", "precision", "layer"), BUILDS)
def test_content_of_an_engine(
    builds: dict[tuple[int, str, str], Future[tuple[Built, Request, list[str]]]],
    directory: Path,
    window: int,
    precision: str,
    layer: str,
) -> None:
    """Our layer has the node's name and scale; trained convolutions have the chosen precision, those of the smooth base are fp32."""
    built, request, phases = builds[window, precision, layer].result()
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
    assert built.runs_on.split() == list(TENSORRT_RTX.capabilities)
    assert (network_file.ATTENTION.encode() in plan) is (layer == "plugin")
    assert cached_plan(cache, parts, request, GPU) == plan


@pytest.mark.slow
def test_an_engine_is_built_once_per_list_of_targets(directory: Path) -> None:
    """A second build returns the cached engine with the same report; an engine for other targets is a second entry beside it."""
    settings = _settings(directory, "fp16", "native")
    first, request, _ = _build(settings)
    plan = EngineCache(directory).load(engine_parts(request, None))
    again, _, phases = _build(settings)
    assert again == replace(first, new=False)
    assert phases == []
    other, narrow, phases = _build(settings, targets=("sm_120", "sm_89"))
    assert (other.new, other.runs_on) == (True, "sm_120 sm_89")
    assert phases
    cache = EngineCache(directory)
    assert cache.load(engine_parts(request, None)) == plan != cache.load(engine_parts(narrow, None))


def test_the_newest_engine_for_the_gpu_is_opened(tmp_path: Path) -> None:
    """Of engines for several lists of targets, in any order, the newest one that includes the GPU is opened; the others stay."""
    cache, request = EngineCache(tmp_path), request_of(NETWORK, 256, _settings(tmp_path), TENSORRT_RTX)
    opened = []
    for targets in (["sm_120"], ["sm_89", "sm_80"], ["sm_80", "sm_89", "sm_86"], ["sm_121"], ["sm_80", "sm_89"]):
        cache.store(engine_parts(replace(request, targets=targets), None), " ".join(targets).encode(), {RUNS_ON: " ".join(targets)})
        parts = cached_parts(cache, request, GPU)
        try:
            opened.append(cached_plan(cache, parts, request, GPU).decode())
        except EngineMismatch as error:
            assert "built for sm_120, this GPU is sm_89" in str(error)  # noqa: PT017  # the first engine only
    assert opened == ["sm_89 sm_80", "sm_80 sm_89 sm_86", "sm_80 sm_89 sm_86", "sm_80 sm_89"]
    assert len(cache.entries()) == 4  # the order of targets does not matter


@pytest.mark.parametrize("target", ["sm_90", "current", "sm_75", "sm_1"])
def test_an_architecture_that_is_not_supported_is_refused_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: str) -> None:
    """Before anything is built, the message names the architecture, those that are supported, and the remedy; nothing is stored."""
    monkeypatch.setattr(builder, "find_gpu", lambda _: replace(GPU, capability="sm_90"))
    monkeypatch.setattr(builder, "run_worker", lambda *_: pytest.fail("a build was started"))
    refused = "sm_90" if target == "current" else target
    with pytest.raises(EngineMissing, match=f"^tensorrt-rtx does not support the compute capability {refused}; it supports sm_80, "):
        _build(_settings(tmp_path), targets=("sm_89", target))
    assert EngineCache(tmp_path).entries() == []


def test_the_supported_architectures_are_those_of_the_package() -> None:
    """Every architecture that we build for is one of the installed TensorRT-RTX."""
    import tensorrt_rtx  # noqa: PLC0415  # heavy

    assert {name.upper().replace("_", "") for name in TENSORRT_RTX.capabilities} <= set(tensorrt_rtx.ComputeCapability.__members__)


def test_the_current_gpu_as_a_target(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An engine built with `--target current`, as error messages suggest, runs on the GPU of this machine."""

    def build(_request: Request, _package: object, folder: Path, _progress: object) -> dict[str, Any]:
        (folder / PLAN).write_bytes(b"plan")
        return {}

    monkeypatch.setattr(builder, "find_gpu", lambda _: GPU)
    monkeypatch.setattr(builder, "run_worker", build)  # TensorRT-RTX cannot build for "current" without a GPU
    built, request, _ = _build(_settings(tmp_path), targets=("current",))
    assert built.runs_on == "sm_89"
    assert cached_plan(EngineCache(tmp_path), engine_parts(request, None), request, GPU) == b"plan"


@pytest.mark.parametrize("damage", ["truncated", "changed", "sidecar", "other parts"])
def test_a_damaged_engine_never_reaches_tensorrt(tmp_path: Path, damage: str) -> None:
    """An engine that does not match its sidecar is rejected, with the command that empties the cache."""
    request = request_of(NETWORK, 256, _settings(tmp_path), TENSORRT_RTX)
    cache, parts = EngineCache(tmp_path), engine_parts(request, None)
    cache.store(parts, b"plan of an engine", {RUNS_ON: " ".join(TENSORRT_RTX.capabilities), "report": "{}"})
    entry = cache.entry(parts)
    assert entry is not None
    plan, sidecar = entry.folder / PAYLOAD, entry.folder / SIDECAR
    content = json.loads(sidecar.read_text(encoding="utf-8"))
    match damage:
        case "truncated":
            plan.write_bytes(plan.read_bytes()[:-1])
        case "changed":
            plan.write_bytes(plan.read_bytes()[:-1] + b"!")
        case "sidecar":
            sidecar.write_text(sidecar.read_text(encoding="utf-8")[:-1], encoding="utf-8")
        case _:
            sidecar.write_text(json.dumps({**content, "parts": {**parts, "device": "other"}}), encoding="utf-8")
    with pytest.raises(EngineMismatch, match="gi-plugin engines clear"):
        cached_plan(cache, parts, request, GPU)


def _parts(monkeypatch: pytest.MonkeyPatch, change: str, tmp_path: Path) -> dict[str, str]:
    """Return the parts of the cache key after one change."""
    request, gpu, package = request_of(NETWORK, 256, _settings(tmp_path), TENSORRT), GPU, TensorRtPackage
    installed = "11.4.0"
    match change:
        case "network":
            other = tmp_path / "other.onnx"
            other.write_bytes(NETWORK.read_bytes() + b"\0")
            request = replace(request, network=str(other))
        case "package":
            installed = "11.4.1"
        case "sources":
            monkeypatch.setattr(builder, "SOURCES", builder.SOURCES[1:])
        case "kernel":
            monkeypatch.setattr(builder, "source_hash", lambda: "other")
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
    """Every change of network, package, sources, GPU or settings changes the key; the place of the network file does not."""
    monkeypatch.setattr(TensorRtPackage, "installed", lambda _: "11.4.0")
    before = _parts(monkeypatch, "", tmp_path)
    assert _parts(monkeypatch, change, tmp_path) != before
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(NETWORK.read_bytes())
    request = replace(request_of(NETWORK, 256, _settings(tmp_path), TENSORRT), network=str(copy), targets=["sm_89"])
    monkeypatch.undo()
    monkeypatch.setattr(TensorRtPackage, "installed", lambda _: "11.4.0")
    assert engine_parts(request, GPU) == before


def test_a_request_is_json(tmp_path: Path) -> None:
    """A request survives the conversion to JSON and back."""
    request = request_of(NETWORK, 256, _settings(tmp_path, batch=3), TENSORRT_RTX, ("sm_89",))
    assert Request(**json.loads(json.dumps(asdict(request)))) == request
    assert (request.batch, request.targets, request.optimization) == (3, ["sm_89"], 3)
