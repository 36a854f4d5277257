"""Measure times of alternating calls, and time and peak memory of a call in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..errors import EngineError

STATUS = "/proc/self/status"
IDLE = f"print(open({STATUS!r}).read())"
CALL = """
import json, sys
from {module} import {name} as call
from gi_plugin.bench.timing import peak_memory
print(json.dumps([call(*json.loads(sys.argv[1])), peak_memory()]))
"""


@dataclass(frozen=True)
class FreshRun:
    """Result and cost of a call in a fresh process."""

    result: Any
    seconds: float  # of the whole process, including the start of Python
    memory: int | None  # peak of the process in bytes, minus that of an idle Python; None if the system does not report it


def in_turns(calls: Mapping[str, Callable[[], object]], turns: int, warm: int = 0) -> dict[str, list[float]]:
    """Time calls in alternating order (A B C, A B C, …), so that a slow phase of the machine affects all of them.

    :param turns: number of timed calls of each.
    :param warm: number of calls of each before the timed ones.
    :return: the seconds of every timed call, by name.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(warm + turns):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: times[warm:] for name, times in seconds.items()}


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> FreshRun:
    """Call a module's function in a new Python process. Arguments and result are passed as JSON.

    :raises EngineError: if it fails; the message has the last line of its standard error.
    """
    start = time.perf_counter()
    output = _python(CALL.format(module=function.__module__, name=function.__name__), json.dumps(arguments))
    seconds = time.perf_counter() - start
    result, peak = json.loads(output.splitlines()[-1])
    return FreshRun(result, seconds, None if peak is None else peak - _idle())


def peak_memory() -> int | None:
    """Return the peak memory of this process so far, in bytes; None if the system does not report it.

    `getrusage` is not used, because its value starts with the peak of the parent process.
    """
    try:
        with open(STATUS, encoding="utf-8") as status:  # noqa: PTH123  # a kernel file
            return _peak(status.read())
    except OSError:
        return None


@cache
def _idle() -> int:
    return _peak(_python(IDLE))


def _peak(status: str) -> int:
    return next(1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


def _python(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-P", "-c", code, *arguments], capture_output=True, text=True, check=False)  # noqa: S603  # our own code
    if done.returncode:
        raise EngineError(f"a process of the benchmark failed: {(done.stderr.strip() or f'exit code {done.returncode}').splitlines()[-1]}")
    return done.stdout
