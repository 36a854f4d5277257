"""Profile a training step: what takes its time, and whether the device waits for the host."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

MOST = 8  # operations in a profile
NAME = 60  # longest name of an operation; those of compiled kernels are long
BUSY = 0.9  # a GPU that computes for less of the time waits for the host


@dataclass(frozen=True)
class StepProfile:
    """Where the time of a step goes."""

    operations: tuple[tuple[str, float], ...]  # name and share of the computing time, largest first
    busy: float | None  # share of the time in which the GPU computes; None on a CPU

    @property
    def bound(self) -> str:
        """What limits the speed, in a few words."""
        if self.busy is not None and self.busy < BUSY:
            return f"the GPU waits for the host, {1 - self.busy:.0%} of the time"
        name, share = self.operations[0]
        return f"{name}, {share:.0%}"


def profile_of(step: Callable[[], None], device: torch.device) -> StepProfile:
    """Run a step under PyTorch's profiler.

    :param step: enqueues one training step; it ran before.
    """
    cuda = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=activities) as profiler:
        start = time.perf_counter()
        step()
        if cuda:
            torch.cuda.synchronize(device)
        seconds = time.perf_counter() - start
    times = [(str(event.key)[:NAME], _microseconds(event, cuda)) for event in profiler.key_averages()]
    total = sum(spent for _, spent in times)
    largest = sorted(times, key=lambda entry: -entry[1])[:MOST]
    return StepProfile(tuple((name, spent / total) for name, spent in largest), min(total / 1e6 / seconds, 1.0) if cuda else None)


def _microseconds(event: Any, cuda: bool) -> float:
    """Return the time of an operation without the operations that it calls; on a GPU, that of a kernel."""
    if not cuda:
        return float(event.self_cpu_time_total)
    return float(event.self_device_time_total) if event.device_type.name == "CUDA" else 0.0
