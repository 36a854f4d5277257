"""Timing of alternating calls, and time and peak memory of fresh processes."""

from __future__ import annotations

import math
import os
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from gi_plugin.bench.timing import in_fresh_process, in_turns
from gi_plugin.errors import EngineError
from gi_plugin.network_file import network_path

BYTES = 200_000_000


def test_calls_alternate() -> None:
    """Calls alternate (A B, A B, …), warm calls come first and are not timed, and a slower call has a longer time."""
    order: list[str] = []

    def slow() -> None:
        order.append("slow")
        time.sleep(0.02)

    seconds = in_turns({"quick": lambda: order.append("quick"), "slow": slow}, turns=2, warm=1)
    assert order == ["quick", "slow"] * 3
    assert {name: len(times) for name, times in seconds.items()} == {"quick": 2, "slow": 2}
    assert min(seconds["slow"]) >= 0.02
    assert 0 <= min(seconds["quick"]) < min(seconds["slow"])


def test_a_fresh_process_returns_result_and_time() -> None:
    """A call in a fresh process returns its result and the time of the whole process."""
    fresh = in_fresh_process(math.gcd, 12, 18)
    assert fresh.result == 6
    assert fresh.seconds > 0


def test_the_memory_is_that_of_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory is that of the fresh process, without the memory of this one."""
    (tmp_path / "holding.py").write_text("def hold(count):\n    return len(b'x' * count)\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    hold = import_module("holding").hold
    held = np.ones(3 * BYTES, np.uint8)
    small, large = (in_fresh_process(hold, count).memory for count in (1, BYTES))
    assert small is not None
    assert large is not None
    assert small < held.nbytes / 3
    assert large - small == pytest.approx(BYTES, rel=0.1)


def test_a_failure_in_a_fresh_process_is_an_error() -> None:
    """The message has the last line of the process's standard error, and nothing else of it."""
    with pytest.raises(EngineError, match=r"^a process of the benchmark failed: .*ModelError: .*nowhere.onnx.*$"):
        in_fresh_process(network_path, "nowhere.onnx")
