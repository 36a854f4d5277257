"""Window latency of every backend and precision that runs here, as ratios in one run.

Machines are noisy: the candidates take turns (A B C, A B C, …), and what is reported first is the ratio of medians to the PyTorch network
run eagerly in fp32, in the same process and run.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from gi_plugin.config import Config
from gi_plugin.engines.protocol import Engine, Floats, check_window
from gi_plugin.engines.selection import backend_status, open_engine
from gi_plugin.errors import EngineMissing

REFERENCE = ("torch", "fp32")
CANDIDATES = (REFERENCE, ("openvino", "fp32"), ("openvino", "bf16"))


@dataclass(frozen=True)
class Latency:
    """Seconds of one warm call on one window."""

    backend: str
    window: int
    median: float
    least: float
    runs: int
    speedup: float | None  # median of torch fp32 / this median; None where torch is not installed


def measure(config: Config, windows: Sequence[int], runs: int, progress: Callable[[str], None]) -> list[Latency]:
    """Time one call per window, `runs` times after two warm-up calls.

    :param progress: told what is being timed.
    :raises ConfigError: if a window is none that the network takes.
    :raises EngineMissing: if no backend can be used.
    """
    for window in windows:
        check_window(window)
    return [row for window in windows for row in _measure_window(config, window, runs, progress)]


def report(rows: Sequence[Latency]) -> dict[str, Any]:
    """The rows and the machine they were measured on, ready for JSON."""
    machine = {
        "system": platform.platform(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
    }
    return {"machine": machine, "rows": [asdict(row) for row in rows]}


def window_input(window: int, batch: int = 1) -> tuple[Floats, Floats]:
    """A seeded window with a hole of half its side in the middle."""
    random = np.random.default_rng(0)
    image = random.uniform(-1, 1, (batch, 3, window, window)).astype(np.float32)
    mask = np.zeros((batch, 1, window, window), np.float32)
    mask[..., window // 4 : -window // 4, window // 4 : -window // 4] = 1
    return image, mask


def _measure_window(config: Config, window: int, runs: int, progress: Callable[[str], None]) -> list[Latency]:
    engines = _engines(config, window)
    image, mask = window_input(window)
    seconds: dict[str, list[float]] = {engine.backend: [] for engine in engines}
    for turn in range(runs + 2):
        for engine in engines:
            progress(f"{window} px, {engine.backend}, run {max(turn - 1, 0)} of {runs}")
            start = time.perf_counter()
            engine(image, mask)
            seconds[engine.backend].append(time.perf_counter() - start)
    for engine in engines:
        engine.close()
    medians = {name: statistics.median(times[2:]) for name, times in seconds.items()}
    reference = next((median for name, median in medians.items() if name.startswith("torch")), None)
    return [
        Latency(name, window, medians[name], min(times[2:]), runs, None if reference is None else reference / medians[name])
        for name, times in seconds.items()
    ]


def _engines(config: Config, window: int) -> list[Engine]:
    available = {status.name for status in backend_status() if status.available}
    engines = []
    for backend, precision in CANDIDATES:
        if backend in available:
            settings = replace(config.engine, backend=backend, precision=precision, batch=1)
            try:
                engines.append(open_engine(replace(config, engine=settings), window))
            except EngineMissing:
                continue  # this CPU lacks the precision
    if not engines:
        raise EngineMissing("there is nothing to measure: neither openvino nor torch is installed")
    return engines


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123  # a kernel file
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.processor())
    except OSError:
        return platform.processor()
