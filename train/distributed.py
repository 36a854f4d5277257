"""Distributed training: join the process group of `torchrun`, or run as a single process without it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, distributed


@contextmanager
def process_group() -> Iterator[tuple[int, int]]:
    """Join the process group if `torchrun` started this process, and leave it at the end of the `with` block.

    :return: yields (rank, number of processes); (0, 1) without `torchrun`.
    """
    if "RANK" not in os.environ:
        yield 0, 1
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield distributed.get_rank(), distributed.get_world_size()
    finally:
        distributed.destroy_process_group()


def from_first(value: float) -> float:
    """Return the value of the first process, in every process."""
    if not distributed.is_initialized():
        return value
    device = torch.device("cuda") if distributed.get_backend() == "nccl" else torch.device("cpu")
    shared = torch.tensor([value], dtype=torch.float64, device=device)
    distributed.broadcast(shared, 0)
    return float(shared)


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Average the gradients over the processes of a distributed run; do nothing in a single process."""
    for parameter in parameters if distributed.is_initialized() else ():
        if parameter.grad is not None:
            parameter.grad = averaged(parameter.grad)


def averaged(values: Tensor) -> Tensor:
    """Average values over the processes of a distributed run, in place; in a single process they stay as they are."""
    if distributed.is_initialized():
        distributed.all_reduce(values)
        values /= distributed.get_world_size()
    return values
