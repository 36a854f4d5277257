"""Build one TensorRT engine in a separate process: `python -m gi_plugin.engines.trt.worker FOLDER`.

If the native builder crashes, only this process ends. It reads the request from the folder and writes the plan into it. On standard output
it writes one JSON object per line: each phase, and at the end the report or an error. TensorRT's own messages go to standard error.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from gi_plugin import network_file
from gi_plugin.atomic import replacing
from gi_plugin.errors import EngineError, GiError

from ..gpu.driver import find_gpu
from .build_request import PLAN, REQUEST, TIMINGS, Request
from .network import Layer, for_parser
from .package import TENSORRT_PACKAGES


def build(request: Request, folder: Path) -> dict[str, Any]:
    """Build the engine, write it into the folder, and return a report of its content.

    :raises EngineError: if the parser or the builder fails.
    """
    package = TENSORRT_PACKAGES[request.backend]
    trt = package.load()
    started, logger = time.monotonic(), _logger(trt)
    _register(trt, request.layer)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    _parse(trt, network, request, logger)
    report = describe(trt, network, request.layer)
    config = _configuration(trt, builder, request)
    timings = None if package.portable else folder.parent / TIMINGS  # a portable build measures no timings
    if timings is not None:
        config.set_timing_cache(config.create_timing_cache(timings.read_bytes() if timings.is_file() else b""), ignore_mismatch=False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineError(f"{request.backend} could not build the engine: {logger.last_error}")
    (folder / PLAN).write_bytes(plan)
    if timings is not None:
        with replacing(timings) as partial:
            partial.write_bytes(config.get_timing_cache().serialize())
    return {**report, "seconds": round(time.monotonic() - started, 1), "bytes": (folder / PLAN).stat().st_size}


def describe(trt: Any, network: Any, layer: Layer) -> dict[str, Any]:
    """Describe a parsed network: its attention layer with the attribute, and the number of layers per type of operator and precision.

    :raises EngineError: if our layer is missing, or present although the setting is "native".
    """
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    ours = [entry for entry in layers if entry.type == trt.LayerType.PLUGIN_V3]
    if len(ours) != (layer != "native"):
        raise EngineError(
            f"the parsed network has {len(ours)} attention layers of ours, expected {int(layer != 'native')} for layer = {layer!r}"
        )
    kinds = [f"{entry.type.name} {entry.get_output(0).dtype.name}" for entry in layers if entry.type in _counted(trt)]
    return {
        "layers": len(layers),
        "attention": [{"name": entry.name, **_attributes(trt, entry, layer)} for entry in ours],
        "precisions": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
    }


def main() -> None:
    """Read the request, build the engine, and print the report or the error."""
    folder = Path(sys.argv[1])
    request = Request(**json.loads((folder / REQUEST).read_text(encoding="utf-8")))
    try:
        _send(report=build(request, folder))
    except GiError as error:
        _send(error=str(error))
        sys.exit(1)


def _register(trt: Any, layer: Layer) -> None:
    if layer == "plugin":
        from . import layer as attention_layer  # noqa: PLC0415  # needs triton

        attention_layer.register(trt)
    elif layer == "aot":
        from . import layer_aot as attention_layer_aot  # noqa: PLC0415  # needs triton

        attention_layer_aot.register(find_gpu().capability)


def _attributes(trt: Any, entry: Any, layer: Layer) -> dict[str, float]:
    from . import layer as attention_layer  # noqa: PLC0415  # needs triton

    return attention_layer.attributes(trt, entry) if layer == "plugin" else {}


def _parse(trt: Any, network: Any, request: Request, logger: Any) -> None:
    _send(phase="reading the network")
    model = for_parser(network_file.load(Path(request.network)), request.window, request.batch, request.precision, request.layer)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model.SerializeToString()):
        reasons = "; ".join(parser.get_error(index).desc() for index in range(parser.num_errors))
        raise EngineError(f"{request.backend} cannot read the network: {reasons}")


def _configuration(trt: Any, builder: Any, request: Request) -> Any:
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.builder_optimization_level = request.optimization
    config.progress_monitor = _monitor(trt)
    if request.targets:
        known = {_target_name(name): value for name, value in trt.ComputeCapability.__members__.items() if name != "NONE"}
        config.num_compute_capabilities = len(request.targets)
        for index, target in enumerate(request.targets):
            if target not in known:
                raise EngineError(f"{request.backend} does not know the target {target!r}: expected some of {', '.join(known)}")
            if not config.set_compute_capability(known[target], index):
                raise EngineError(
                    f"{request.backend} cannot build for {', '.join(request.targets)} together; 'current' must be the only target"
                )
    return config


def _target_name(member: str) -> str:
    """SM89 -> sm_89, CURRENT -> current."""
    return f"sm_{member[2:]}" if member.startswith("SM") else member.lower()


def _logger(trt: Any) -> Any:
    class Logger(trt.ILogger):  # type: ignore[misc]  # the base class comes from a module chosen at run time
        """Writes warnings and errors to standard error; TensorRT's own logger would mix them with our JSON on standard output."""

        def __init__(self) -> None:
            super().__init__()
            self.last_error = "no reason given"

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.WARNING:
                print(f"{severity.name}: {message}", file=sys.stderr, flush=True)
            if severity <= trt.ILogger.ERROR:
                self.last_error = message

    return Logger()


def _monitor(trt: Any) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # the base class comes from a module chosen at run time
        """Sends the name of each phase. TensorRT calls it from its own threads."""

        def phase_start(self, name: str, _parent: str | None, _steps: int) -> None:
            _send(phase=name)

        def phase_finish(self, _name: str) -> None:
            """Nothing to do: the next phase reports itself."""

        def step_complete(self, _name: str, _step: int) -> bool:
            return True

    return Monitor()


def _counted(trt: Any) -> tuple[Any, ...]:
    return (trt.LayerType.CONVOLUTION, trt.LayerType.MATRIX_MULTIPLY, trt.LayerType.SOFTMAX, trt.LayerType.PLUGIN_V3)


def _send(**message: Any) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
