"""Check and benchmark of a CUDA GPU: time every form of the network in one run and compare it with PyTorch in fp32.

The floor of a row is a lower bound of its time: its arithmetic or memory traffic at the rates measured in the same run. These are the
rates of a large fp16 or fp32 matrix product and of a copy within the GPU's memory.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from gi_plugin.engines.attention.autograd import accelerate
from gi_plugin.engines.gpu.recorded import recorded
from gi_plugin.engines.selection import open_engine
from gi_plugin.engines.transfer.gpu_transfer import GpuTransfer, open_transfer
from gi_plugin.engines.trt.builder import build_engine, request_of
from gi_plugin.engines.trt.package import TENSORRT_PACKAGES
from gi_plugin.train.checkpoint import load_network
from gi_plugin.train.model.attention import attention_weights
from gi_plugin.train.model.network import InpaintingNetwork

from ..arrays import CELL
from ..config import Config
from ..errors import EngineMissing, first_line
from ..inpainter import Inpainter
from ..network_file import network_path
from ..transfer import transfer
from . import gpu_transfer
from .sample import smooth_window, square_hole
from .timing import in_turns

RUNS, WARM = 20, 3
TYPES = {"fp32": None, "fp16": torch.float16}
ATTENTION_FORMS = ("PyTorch", "kernel", "kernel in a CUDA graph")
NETWORK_FORMS = ("eager", "+ kernel", "+ kernel in a CUDA graph")
ENGINE_PRECISIONS = ("fp32", "fp16", "bf16")
TRANSFER_FORMS = ("on the CPU", "on the GPU")
CALL = "whole call"  # of the product: a picture as large as the window, its network in PyTorch on the device
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


Stage = Callable[[GpuRow], GpuRow]  # fills in the figures of a row


def check(config: Config, windows: list[int], device: str, progress: Callable[[str], None]) -> Iterator[GpuRow]:
    """Time and compare every form of the network. A form that cannot run gives a row with the reason, and the others run all the same.

    :param device: "cuda"; "cpu" is for tests of the check itself.
    :param progress: called with the name of what is measured.
    """
    config = _placed(config, device)
    if torch.cuda.is_available():  # else the rows of PyTorch say what it lacks
        torch.cuda.set_device(config.engine.gpu_number())
    rates = Rates(device)
    for row, measure in _stages(config, windows, rates):
        progress(f"{row.form}, {row.window} px, {row.precision}")
        try:
            yield measure(row)
        except Exception as error:  # noqa: BLE001  # of a library, a compiler or the driver: the row says which
            yield replace(row, note=first_line(error) or type(error).__name__)


def _placed(config: Config, device: str) -> Config:
    """Settings whose engines take the device that is checked, and no other."""
    gpu = config.engine.device if config.engine.device.startswith("gpu") else "gpu"
    return replace(config, engine=replace(config.engine, device=gpu if device == "cuda" else "cpu"))


class Rates:
    """The rates of a device for the floors of the rows; each is measured when a row first asks for it."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.operations = cache(lambda precision: matrix_rate(device, TYPES[precision] or torch.float32))
        self.bytes = cache(lambda: copy_rate(device))


def _stages(config: Config, windows: list[int], rates: Rates) -> Iterator[tuple[GpuRow, Stage]]:
    """Yield every row to measure, and the function that fills it."""
    for window in windows:
        for form in ATTENTION_FORMS[: None if rates.device == "cuda" else 1]:
            yield GpuRow(f"attention: {form}", window, "fp32"), partial(_attention_row, rates, form)
        for precision in TYPES:
            for form in NETWORK_FORMS[: None if rates.device == "cuda" else 1]:
                yield GpuRow(f"PyTorch {form}", window, precision), partial(_network_row, config, rates, form)
        for precision in ENGINE_PRECISIONS if rates.device == "cuda" else ():
            yield GpuRow("torch", window, precision), partial(_engine_row, config)
        for backend in TENSORRT_PACKAGES:
            yield GpuRow(backend, window, "fp16"), partial(_built_row, config)
        for form in TRANSFER_FORMS[: None if rates.device == "cuda" else 1]:
            yield GpuRow(f"transfer {form}", window, "int16"), partial(_transfer_row, config, form)
        yield GpuRow(CALL, window, "auto"), partial(_call_row, config)


def _attention_row(rates: Rates, form: str, row: GpuRow) -> GpuRow:
    side = row.window // CELL
    cells = torch.randn(1, 128, side * side).to(rates.device)
    gram, mask = cells.transpose(1, 2) @ cells / 128, torch.from_numpy(square_hole(side)).to(rates.device)
    reaching, read = (torch.nn.functional.max_pool2d(mask, size, 1, size // 2).flatten(1) for size in (3, 7))
    # rows of products near the hole are read once, all weights are written
    floor = 4 * (float(read.sum()) * side**2 + gram.numel()) / rates.bytes()
    call: Call = partial(attention_weights, gram, mask)
    expected = call()[0]
    if form != "PyTorch":
        from gi_plugin.engines.attention.kernel import attention_weights as kernel  # noqa: PLC0415  # needs triton

        call = partial(kernel, gram, mask, 10.0)
    if "graph" in form:
        call = recorded(call, torch.cuda.Stream())
    difference = float(((call()[0] - expected) * reaching[..., None]).abs().max())
    return replace(timed_row(row, call, rates.device, floor), note=f"largest weight error {difference:.1e}")


def _network_row(config: Config, rates: Rates, form: str, row: GpuRow) -> GpuRow:
    network = load_network(network_path(config.model.path)).eval().to(rates.device)
    image, mask = (plane.to(rates.device) for plane in _example(row.window))
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            expected = network(image, mask).completed
        floor = counter.get_total_flops() / rates.operations(row.precision)
        if form != "eager" and not accelerate(network):
            raise EngineMissing("the kernel needs triton and a CUDA GPU")
        call: Call = partial(_run, network, image, mask, TYPES[row.precision])
        if "graph" in form:
            call = recorded(call, torch.cuda.Stream())
        difference = float((call() - expected).abs().mean()) * 127.5
        return replace(timed_row(row, call, rates.device, floor), difference=difference)


def _engine_row(config: Config, row: GpuRow) -> GpuRow:
    """Time an engine as the product calls it: from arrays on the host to arrays on the host."""
    settings = replace(config.engine, backend=row.form, precision=row.precision)
    engine = open_engine(replace(config, engine=settings), row.window)
    image, mask = _example(row.window)
    with torch.inference_mode():
        expected = load_network(network_path(config.model.path)).eval()(image, mask).completed
    call = partial(engine, image.numpy(), mask.numpy())
    difference = float((torch.from_numpy(call()[0]) - expected).abs().mean()) * 127.5
    timed = timed_row(row, call, "cpu", None)  # a call returns only when the result is on the host
    engine.close()
    return replace(timed, difference=difference, note=engine.backend)


def _built_row(config: Config, row: GpuRow) -> GpuRow:
    """Build a TensorRT engine and time it."""
    package, settings = TENSORRT_PACKAGES[row.form], replace(config.engine, backend=row.form, precision=row.precision)
    request = request_of(network_path(config.model.path), row.window, settings, package, config_file=config.source)
    build_engine(request, settings, lambda _: None)
    return _engine_row(config, row)


def _transfer_row(config: Config, form: str, row: GpuRow) -> GpuRow:
    """Time the transfer from arrays on the host to arrays on the host; on the GPU also its differences from the CPU's result."""
    threads, on_gpu = config.engine.cores(), None if form == "on the CPU" else GpuTransfer(config.engine)
    timed = timed_row(row, partial(on_gpu or transfer, *gpu_transfer.case(row.window), threads=threads), "cpu", None)
    if on_gpu is None:
        return timed
    timed = replace(timed, note=gpu_transfer.differences(row.window, on_gpu, threads))
    on_gpu.close()
    return timed


def _call_row(config: Config, row: GpuRow) -> GpuRow:
    """Time `inpaint` from its arguments to its result, with the network on the device, and the transfer where the product runs it."""
    on_gpu = open_transfer(config.engine)
    place = "CPU" if on_gpu is None else "GPU"
    if on_gpu is not None:
        on_gpu.close()
    inpainter = Inpainter(replace(config, engine=replace(config.engine, backend="torch", precision=row.precision)))
    pixels, hole, _ = gpu_transfer.case(row.window)
    timed = timed_row(row, partial(inpainter, pixels, hole, data_range=(-1, 1)), "cpu", None)
    inpainter.close()
    return replace(timed, note=f"transfer on the {place}")


def _run(network: InpaintingNetwork, image: Tensor, mask: Tensor, kind: torch.dtype | None) -> Tensor:
    with torch.autocast(image.device.type, kind, enabled=kind is not None):
        completed: Tensor = network(image, mask).completed
    return completed.float()


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
