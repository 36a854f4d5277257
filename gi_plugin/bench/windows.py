"""Benchmark of one window on every backend and precision that runs on this machine.

Times of a machine vary. So the candidates alternate (A B C, A B C, …), and the main result is the ratio of medians to the PyTorch network
in eager mode in fp32, measured in the same process and run.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import median
from typing import Any

from gi_plugin.engines.protocol import Engine, check_window
from gi_plugin.engines.selection import backend_status, open_engine

from ..arrays import Floats
from ..config import Config, EngineSettings, ModelSettings
from ..errors import EngineMissing
from .sample import noise_window
from .timing import FreshRun, in_fresh_process, in_turns

REFERENCE = ("torch", "fp32")
CANDIDATES = (REFERENCE, ("openvino", "fp32"), ("openvino", "bf16"), ("openvino", "int8"))
WARM = 2  # calls before the timed ones
CALLERS = 2  # threads that call the engine at once when throughput is measured
FRESH = 3  # most fresh processes per engine


@dataclass(frozen=True)
class WindowRow:
    """Result of one engine on windows of one size; times are in seconds."""

    backend: str
    window: int
    runs: int
    median: float  # of one warm call
    least: float  # of the warm calls
    speedup: float | None  # median of torch fp32 / this median; None without torch
    least_speedup: float | None  # the same for the fastest calls
    per_second: float  # windows per second, when CALLERS threads call at once
    cold: float  # median of a fresh process: Python, imports, engine from the cache, first call
    opened: float  # part of it: import of the backend and loading the engine
    first: float  # part of it: the first call
    memory: int | None  # its peak in bytes, minus an idle Python


def measure(
    config: Config, windows: Sequence[int], runs: int, progress: Callable[[str], None], backend: str | None = None
) -> list[WindowRow]:
    """Measure each engine on each window: `runs` warm calls, then throughput, then fresh processes.

    :param progress: called with the name of what is measured.
    :param backend: measure only the engines of this backend; None for all.
    :raises ConfigError: if the network does not accept a window size.
    :raises EngineError: if no backend can be used, or one fails.
    """
    for window in windows:
        check_window(window)
    if backend is not None:
        _check_usable(backend)
    return [row for window in windows for row in _measure_window(config, backend, window, runs, progress)]


def _check_usable(backend: str) -> None:
    statuses = {status.name: status for status in backend_status()}
    if backend not in statuses:
        raise EngineMissing(f"unknown backend {backend!r}: expected one of {', '.join(statuses)}")
    if not statuses[backend].available:
        raise EngineMissing(f"backend {backend} cannot be used: {statuses[backend].reason}")


def machine() -> dict[str, Any]:
    """Describe this machine, as values for JSON."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
    }


def candidates(config: Config, only: str | None = None) -> Iterator[Config]:
    """Yield the settings for every installed backend and precision. A CPU may lack a precision; then opening the engine fails.

    :param only: yield those of this backend; if it is not in `CANDIDATES`, in the precision that it chooses.
    """
    available = {status.name for status in backend_status() if status.available and only in (None, status.name)}
    known = {backend for backend, _ in CANDIDATES}
    for backend, precision in (*CANDIDATES, *((name, "auto") for name in available - known if only)):
        if backend in available:
            yield replace(config, engine=replace(config.engine, backend=backend, precision=precision, batch=1))


def from_cold(config: Config, window: int, hole: int | None = None) -> FreshRun:
    """Open an engine and call it once in a fresh process. `result` has the seconds of both, as "opened" and "first"."""
    return in_fresh_process(first_call, asdict(config.engine), config.model.path, window, hole)


def first_call(engine: dict[str, Any], network: str, window: int, hole: int | None) -> dict[str, float]:
    """Run by the fresh process of `from_cold`: open an engine, call it once, and return the seconds of both."""
    start = time.perf_counter()
    opened_engine = open_engine(Config(engine=EngineSettings(**engine), model=ModelSettings(network)), window)
    opened = time.perf_counter()
    opened_engine(*noise_window(window, hole=hole))
    return {"opened": opened - start, "first": time.perf_counter() - opened}


def _measure_window(config: Config, backend: str | None, window: int, runs: int, progress: Callable[[str], None]) -> list[WindowRow]:
    progress(f"{window} px, opening engines")
    engines, settings = _engines(config, backend, window)
    image, mask = noise_window(window)
    progress(f"{window} px, warm calls")
    seconds = in_turns({name: partial(engine, image, mask) for name, engine in engines.items()}, runs, WARM)
    reference = next((times for name, times in seconds.items() if name.startswith(REFERENCE[0])), None)
    progress(f"{window} px, throughput")
    loads = {name: partial(_load, engine, image, mask) for name, engine in engines.items()}
    busy = {name: CALLERS / median(times) for name, times in in_turns(loads, min(runs, FRESH)).items()}
    for engine in engines.values():
        engine.close()
    fresh = _fresh(settings, window, min(runs, FRESH), progress)
    return [
        WindowRow(
            backend=name,
            window=window,
            runs=runs,
            median=median(times),
            least=min(times),
            speedup=None if reference is None else median(reference) / median(times),
            least_speedup=None if reference is None else min(reference) / min(times),
            per_second=busy[name],
            **fresh[name],
        )
        for name, times in seconds.items()
    ]


def _load(engine: Engine, image: Floats, mask: Floats) -> None:
    """Call the engine once from each of CALLERS threads."""
    with ThreadPoolExecutor(CALLERS) as pool:
        for future in [pool.submit(engine, image, mask) for _ in range(CALLERS)]:
            future.result()


def _fresh(settings: dict[str, Config], window: int, turns: int, progress: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Measure the columns of a row that come from fresh processes."""
    fresh: dict[str, list[FreshRun]] = {name: [] for name in settings}
    for turn in range(turns):
        for name, config in settings.items():
            progress(f"{window} px, {name}, fresh process {turn + 1} of {turns}")
            fresh[name].append(from_cold(config, window))
    return {
        name: {
            "cold": median(run.seconds for run in runs),
            "opened": median(run.result["opened"] for run in runs),
            "first": median(run.result["first"] for run in runs),
            "memory": max((run.memory for run in runs if run.memory is not None), default=None),
        }
        for name, runs in fresh.items()
    }


def _engines(config: Config, backend: str | None, window: int) -> tuple[dict[str, Engine], dict[str, Config]]:
    engines, settings = {}, {}
    for candidate in candidates(config, backend):
        try:
            engine = open_engine(candidate, window)
        except EngineMissing:
            continue  # this CPU lacks the precision
        engines[engine.backend], settings[engine.backend] = engine, candidate
    if not engines:
        raise EngineMissing(
            'there is nothing to measure: no candidate runs here; install openvino, or torch with: pip install "gi-plugin[train]"'
        )
    return engines, settings


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123  # a kernel file
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.processor())
    except OSError:
        return platform.processor()
