"""Fixtures of the training tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from gi_plugin.train.model import critics, patch_critics


@pytest.fixture
def small_critics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the critics few channels: the paper's are 7 million parameters, which are slow to train and to save."""
    monkeypatch.setattr(critics, "GLOBAL_WIDTHS", (8, 8, 16, 16))
    monkeypatch.setattr(critics, "LOCAL_WIDTHS", (8, 8, 16, 16))
    monkeypatch.setattr(patch_critics, "WIDTHS", (8, 8, 16, 16))


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Run PyTorch in one thread: on tensors this small, threads that wait for each other cost more than they save."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
