"""One window on every backend and precision that runs here, as ratios in one run.

Machines are noisy: the candidates take turns (A B C, A B C, …), and what is reported first is the ratio of medians to the PyTorch network
run eagerly in fp32, in the same process and run.
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
from .timing import Fresh, in_fresh_process, in_turns

REFERENCE = ("torch", "fp32")
CANDIDATES = (REFERENCE, ("openvino", "fp32"), ("openvino", "bf16"), ("openvino", "int8"))
WARM = 2  # calls before the timed ones
CALLERS = 2  # threads that call at once when throughput is measured
FRESH = 3  # fresh processes per engine at most


@dataclass(frozen=True)
class WindowRow:
    """One engine on windows of one size; times are medians in seconds."""

    backend: str
    window: int
    runs: int
    median: float  # of one warm call
    least: float
    speedup: float | None  # median of torch fp32 / this median; None where torch is not installed
    least_speedup: float | None  # the same of the fastest calls
    per_second: float  # windows, when CALLERS threads call at once
    cold: float  # a fresh process: Python and imports, engine from the cache, first call
    opened: float  # its part for the backend's import and the engine
    first: float  # its part for the first call
    memory: int | None  # bytes at its peak beyond an idle Python


def measure(config: Config, windows: Sequence[int], runs: int, progress: Callable[[str], None]) -> list[WindowRow]:
    """Time `runs` warm calls per engine and window, then throughput, then fresh processes.

    :param progress: told what is being timed.
    :raises ConfigError: if a window is none that the network takes.
    :raises EngineError: if no backend can be used, or one fails.
    """
    for window in windows:
        check_window(window)
    return [row for window in windows for row in _measure_window(config, window, runs, progress)]


def machine() -> dict[str, Any]:
    """What the figures were measured on, ready for JSON."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
    }


def candidates(config: Config) -> Iterator[Config]:
    """The settings with every backend that is installed, in every precision; a CPU may lack one, which opening the engine tells."""
    available = {status.name for status in backend_status() if status.available}
    for backend, precision in CANDIDATES:
        if backend in available:
            yield replace(config, engine=replace(config.engine, backend=backend, precision=precision, batch=1))


def from_cold(config: Config, window: int, hole: int | None = None) -> Fresh:
    """Open an engine and call it once, in a fresh process; `result` holds the seconds of both as "opened" and "first"."""
    return in_fresh_process(first_call, asdict(config.engine), config.model.path, window, hole)


def first_call(engine: dict[str, Any], network: str, window: int, hole: int | None) -> dict[str, float]:
    """What the fresh process of `from_cold` runs."""
    start = time.perf_counter()
    opened = open_engine(Config(engine=EngineSettings(**engine), model=ModelSettings(network)), window)
    between = time.perf_counter()
    opened(*noise_window(window, hole=hole))
    return {"opened": between - start, "first": time.perf_counter() - between}


def _measure_window(config: Config, window: int, runs: int, progress: Callable[[str], None]) -> list[WindowRow]:
    engines, settings = _engines(config, window)
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
    """One call from each of CALLERS threads."""
    with ThreadPoolExecutor(CALLERS) as pool:
        for future in [pool.submit(engine, image, mask) for _ in range(CALLERS)]:
            future.result()


def _fresh(settings: dict[str, Config], window: int, turns: int, progress: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """The columns of a row that come from fresh processes."""
    found: dict[str, list[Fresh]] = {name: [] for name in settings}
    for turn in range(turns):
        for name, config in settings.items():
            progress(f"{window} px, {name}, fresh process {turn + 1} of {turns}")
            found[name].append(from_cold(config, window))
    return {
        name: {
            "cold": median(one.seconds for one in all_),
            "opened": median(one.result["opened"] for one in all_),
            "first": median(one.result["first"] for one in all_),
            "memory": max((one.memory for one in all_ if one.memory is not None), default=None),
        }
        for name, all_ in found.items()
    }


def _engines(config: Config, window: int) -> tuple[dict[str, Engine], dict[str, Config]]:
    engines, settings = {}, {}
    for candidate in candidates(config):
        try:
            engine = open_engine(candidate, window)
        except EngineMissing:
            continue  # this CPU lacks the precision
        engines[engine.backend], settings[engine.backend] = engine, candidate
    if not engines:
        raise EngineMissing("there is nothing to measure: neither openvino nor torch is installed")
    return engines, settings


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123  # a kernel file
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.processor())
    except OSError:
        return platform.processor()
