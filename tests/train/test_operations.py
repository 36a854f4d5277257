"""Tests of the recorder of operations: it finds what would wait for a GPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.train.operations import waits_of


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: float(x.sum()), "_local_scalar_dense"),
        (lambda x: x[x > 0], "index"),
        (lambda x: x.nonzero(), "nonzero"),
        (lambda x: x.new_tensor([1.0, 2.0]), "lift_fresh"),
        (lambda x: torch.tensor([1.0]) + x, "lift_fresh"),
        (lambda x: x.masked_select(x > 0), "masked_select"),
    ],
)
def test_what_waits_for_a_gpu_is_found(call: Callable[[Tensor], object], name: str) -> None:
    """Reading a value, indexing with a mask and a constant of the host are found by name."""
    tensor = torch.arange(3.0)
    assert name in waits_of(lambda: call(tensor))


def test_arithmetic_does_not_wait() -> None:
    """Sums, indices of whole numbers and gathers wait for nothing."""
    tensor = torch.arange(3.0)
    places = torch.arange(2)
    assert waits_of(lambda: tensor[places].sum() + tensor.gather(0, places) * 2) == set()
