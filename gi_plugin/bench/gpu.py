"""Check and benchmark of a CUDA GPU: time every form of the network in one run and compare it with PyTorch in fp32.

The floor of a row is a lower bound of its time: its arithmetic or memory traffic at the rates measured in the same run. These are the
rates of a large fp16 or fp32 matrix product and of a copy within the GPU's memory.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from gi_plugin.engines.attention.autograd import accelerate
from gi_plugin.engines.selection import open_engine
from gi_plugin.engines.trt.builder import build_engine, request_of
from gi_plugin.engines.trt.package import TENSORRT_PACKAGES
from gi_plugin.train.checkpoint import load_network
from gi_plugin.train.model.attention import attention_weights
from gi_plugin.train.model.network import InpaintingNetwork

from ..arrays import CELL
from ..config import Config
from ..errors import GiError, first_line
from ..network_file import network_path
from .sample import smooth_window, square_hole
from .timing import in_turns

RUNS, WARM = 20, 3
TYPES = {"fp32": None, "fp16": torch.float16}
Call = Callable[[], Any]


@dataclass(frozen=True)
class GpuRow:
    """One form of the network, or of its attention step, at one window."""

    form: str  # such as "PyTorch eager"
    window: int
    precision: str
    milliseconds: float | None = None  # median of warm calls
    times_floor: float | None = None  # median / floor
    megabytes: float | None = None  # peak of PyTorch's GPU memory
    difference: float | None = None  # mean absolute difference from fp32 PyTorch, on a scale of 0 to 255
    note: str = ""  # further results, or the reason why the row has no figures


def check(config: Config, windows: list[int], device: str, progress: Callable[[str], None]) -> Iterator[GpuRow]:
    """Time and compare every form of the network. A form that cannot run gives a row with the reason.

    :param device: "cuda"; "cpu" is for tests of the check itself.
    :param progress: called with the name of what is measured.
    """
    rates = {name: matrix_rate(device, kind or torch.float32) for name, kind in TYPES.items()}
    bytes_per_second = copy_rate(device)
    for window in windows:
        progress(f"attention step, {window} px")
        yield from _attention_rows(window, device, bytes_per_second)
        for precision in TYPES:
            progress(f"PyTorch, {window} px, {precision}")
            yield from _torch_rows(config, window, precision, device, rates[precision])
        for backend in TENSORRT_PACKAGES:
            progress(f"{backend}, {window} px")
            yield _tensorrt_row(config, backend, window)


def _attention_rows(window: int, device: str, bytes_per_second: float) -> Iterator[GpuRow]:
    side = window // CELL
    cells = torch.randn(1, 128, side * side, device=device)
    gram, mask = cells.transpose(1, 2) @ cells / 128, torch.from_numpy(square_hole(side)).to(device)
    reaching, read = (torch.nn.functional.max_pool2d(mask, size, 1, size // 2).flatten(1) for size in (3, 7))
    # rows of products near the hole are read once, all weights are written
    floor = 4 * (float(read.sum()) * side**2 + gram.numel()) / bytes_per_second
    expected = attention_weights(gram, mask)[0]

    def measured(form: str, call: Call) -> GpuRow:
        difference = float(((call()[0] - expected) * reaching[..., None]).abs().max())
        row = timed_row(GpuRow(f"attention: {form}", window, "fp32"), call, device, floor)
        return replace(row, note=f"largest weight error {difference:.1e}")

    yield measured("PyTorch", lambda: attention_weights(gram, mask))
    if device == "cuda":
        from gi_plugin.engines.attention.kernel import attention_weights as kernel  # noqa: PLC0415  # needs triton

        launch = partial(kernel, gram, mask, 10.0)
        yield measured("kernel", launch)
        yield measured("kernel in a CUDA graph", _graphed(launch))


def _torch_rows(config: Config, window: int, precision: str, device: str, rate: float) -> Iterator[GpuRow]:
    network = load_network(network_path(config.model.path)).eval().to(device)
    image, mask = (plane.to(device) for plane in _example(window))
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            expected = network(image, mask).completed
        floor = counter.get_total_flops() / rate
        call = partial(_run, network, image, mask, TYPES[precision])
        yield _network_row(GpuRow("PyTorch eager", window, precision), call, device, floor, expected)
        if accelerate(network):
            yield _network_row(GpuRow("PyTorch + kernel", window, precision), call, device, floor, expected)
            row = GpuRow("PyTorch + kernel in a CUDA graph", window, precision)
            yield _network_row(row, _graphed(call), device, floor, expected)


def _network_row(row: GpuRow, call: Call, device: str, floor: float, expected: Tensor) -> GpuRow:
    difference = float((call() - expected).abs().mean()) * 127.5
    return replace(timed_row(row, call, device, floor), difference=difference)


def _tensorrt_row(config: Config, backend: str, window: int) -> GpuRow:
    engine_settings = replace(config.engine, backend=backend)
    row = GpuRow(backend, window, "fp16")
    try:
        request = request_of(
            network_path(config.model.path), window, engine_settings, TENSORRT_PACKAGES[backend], config_file=config.source
        )
        build_engine(request, engine_settings, lambda _: None)
        engine = open_engine(replace(config, engine=engine_settings), window)
        image, mask = _example(window)
        reference = load_network(network_path(config.model.path)).eval()
        with torch.inference_mode():
            expected = reference(image, mask).completed
        call = partial(engine, image.numpy(), mask.numpy())
        difference = float((torch.from_numpy(call()[0]) - expected).abs().mean()) * 127.5
        timed = timed_row(row, call, "cpu", None)  # a call returns only when the result is on the host
        engine.close()
        return replace(timed, difference=difference)
    except (GiError, ImportError) as error:
        return replace(row, note=first_line(error))


def _run(network: InpaintingNetwork, image: Tensor, mask: Tensor, kind: torch.dtype | None) -> Tensor:
    with torch.autocast(image.device.type, kind, enabled=kind is not None):
        completed: Tensor = network(image, mask).completed
    return completed.float()


def _graphed(call: Call) -> Call:
    """Record a call as a CUDA graph, and return a function that replays it. Every replay overwrites the same result."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = call()

    def replay() -> Any:
        graph.replay()
        return result

    return replay


def timed_row(row: GpuRow, call: Call, device: str, floor: float | None) -> GpuRow:
    """Add to a row the median time of warm calls, its ratio to the floor, and the peak of PyTorch's GPU memory.

    :param floor: lower bound of the time in seconds; None: no ratio.
    """

    def waiting() -> None:
        call()
        _wait(device)

    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    (seconds,) = in_turns({row.form: waiting}, RUNS, WARM).values()
    median = statistics.median(seconds)
    memory = torch.cuda.max_memory_allocated() / 1e6 if device == "cuda" else None
    return replace(row, milliseconds=1e3 * median, times_floor=median / floor if floor else None, megabytes=memory)


def matrix_rate(device: str, kind: torch.dtype, size: int = 4096) -> float:
    """Measure the operations per second of a matrix product of `size` x `size`; on a CPU 256 x 256 is enough."""
    size = size if device == "cuda" else 256
    first = torch.randn(size, size, device=device).to(kind)
    row = timed_row(GpuRow("", 0, ""), lambda: first @ first, device, None)
    return 2 * size**3 / (row.milliseconds or 1) * 1e3


def copy_rate(device: str, size: int = 2**28) -> float:
    """Measure the bytes per second, read plus written, of a copy of `size` bytes within memory; on a CPU 4 MiB are enough."""
    source = torch.zeros(size if device == "cuda" else 2**22, dtype=torch.uint8, device=device)
    row = timed_row(GpuRow("", 0, ""), source.clone, device, None)
    return 2 * source.numel() / (row.milliseconds or 1) * 1e3


def _example(window: int) -> tuple[Tensor, Tensor]:
    image, mask = smooth_window(window)
    return torch.from_numpy(image), torch.from_numpy(mask)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def result_file(folder: Path, gpu: str) -> Path:
    """Return the path of a GPU's results: FOLDER/gpu-<name>.json."""
    return folder / f"gpu-{'-'.join(gpu.lower().split())}.json"
