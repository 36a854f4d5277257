"""Recording CUDA graphs, without a GPU: PyTorch's graphs are replaced by `Recording`, which counts those that are open."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from gi_plugin.engines.gpu.recorded import WARM, recorded


class Recording:
    """A recording that is open for a moment."""

    most = now = 0

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> None:
        Recording.now += 1
        Recording.most = max(Recording.most, Recording.now)
        time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        Recording.now -= 1


def test_one_recording_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that open engines at the same time record one after the other: a recording begins by waiting for the whole device."""
    monkeypatch.setattr(torch.cuda, "graph", Recording)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: None))
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: None)
    stream, calls = SimpleNamespace(wait_stream=lambda _: None, synchronize=lambda: None), list[int]()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: recorded(lambda: calls.append(number), stream), range(4)))  # type: ignore[arg-type]
    assert sorted(calls) == sorted([*range(4)] * (WARM + 1))
    assert (Recording.most, Recording.now) == (1, 0)
