"""How a bench measures: calls that take turns, and calls in a fresh process with its peak memory."""

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
from gi_plugin.engines.timing import peak_memory
print(json.dumps([call(*json.loads(sys.argv[1])), peak_memory()]))
"""


@dataclass(frozen=True)
class Fresh:
    """What a call in a process of its own gave and took."""

    result: Any
    seconds: float  # of the whole process, the start of Python included
    memory: int | None  # bytes at the process's peak beyond those of an idle Python; None where the system does not tell


def in_turns(calls: Mapping[str, Callable[[], object]], turns: int, warm: int = 0) -> dict[str, list[float]]:
    """Seconds of every call, A B C, A B C, …: what slows the machine for a while then slows all of them.

    :param warm: turns that come first and are not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(warm + turns):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: times[warm:] for name, times in seconds.items()}


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Fresh:
    """Call a function of a module in a new Python; arguments and result go through JSON.

    :raises EngineError: if it fails; the message is the last line of what it said.
    """
    start = time.perf_counter()
    output = _python(CALL.format(module=function.__module__, name=function.__name__), json.dumps(arguments))
    seconds = time.perf_counter() - start
    result, peak = json.loads(output.splitlines()[-1])
    return Fresh(result, seconds, None if peak is None else peak - _idle())


def peak_memory() -> int | None:
    """Largest number of bytes that this process has held in memory so far; None where the system does not tell.

    Not `getrusage`: its peak starts at that of the process which started this one.
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
        raise EngineError(f"a process of the bench failed: {(done.stderr.strip() or f'exit code {done.returncode}').splitlines()[-1]}")
    return done.stdout
