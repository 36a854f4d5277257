"""The rounds of a level of the transfer on a CUDA GPU: one upload, four kernels per round, one download.

Compared with the CPU, the weights of the patches differ by at most 2e-6 of their value (the exponential), so a vote by at most 1 of 1024;
everything else is equal for equal inputs. Later rounds build on these votes, so a pixel may get another source than on the CPU.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from ctypes import c_float, c_int32
from threading import Lock
from typing import Any

import numpy as np

from gi_plugin.arrays import Array
from gi_plugin.config import EngineSettings
from gi_plugin.errors import EngineError, first_line
from gi_plugin.transfer.arrays import ONE, Field, Floats, Shorts
from gi_plugin.transfer.matching import QUANTILE, SAMPLE, Start

from ..cache import engine_cache
from ..gpu.driver import Kernel, current_gpu, find_gpu, integer, pointer
from ..gpu.memory import Block, Device
from .compile import BLOCKS, compiled_kernels

Argument = tuple[Any, Any]
log = logging.getLogger(__name__)


class GpuRounds:
    """Runs the rounds of search and vote on the GPU of the settings; several threads may call it, one level at a time."""

    def __init__(self, settings: EngineSettings) -> None:
        """Load the kernels.

        :raises EngineMissing: if there is no such GPU, or PyCUDA cannot be loaded.
        :raises EngineError: if the kernels cannot be compiled or loaded.
        :raises MissingDependency: if a package is missing.
        """
        self._device, self._lock = Device(settings.gpu_number()), Lock()
        with self._device.active():
            codes = compiled_kernels(int(current_gpu().capability.removeprefix("sm_")), engine_cache(settings))
            self._kernels = {form: Kernel(code.cubin, code.name, code.threads, code.shared_bytes) for form, code in codes.items()}
            self._block = Block(self._device)

    def __call__(self, start: Start, seeds: Sequence[int]) -> tuple[Field, Floats]:
        """Run one round per seed; see `gi_plugin.transfer.matching.Rounds`.

        :raises EngineError: if the GPU fails.
        """
        sent, fields = _inputs(start), ["field", "found"]
        try:
            with self._lock, self._device.active():
                at = {name: pointer(address) for name, address in self._block.upload(sent).items()}
                for seed in seeds:
                    self._round(start, at, sent, fields, seed)
                    fields.reverse()
                received = self._block.download((fields[0], "weights", "estimate"))
        except self._device.cuda.Error as error:
            raise EngineError(f"the transfer failed on the GPU: {error}") from error
        np.copyto(start.estimate.planes, received["estimate"])
        return received[fields[0]], received["weights"]

    def close(self) -> None:
        """Release the memory of the GPU."""
        with self._lock, self._device.active():
            self._block.close()

    def _round(self, start: Start, at: Mapping[str, Argument], sent: Mapping[str, Array], fields: Sequence[str], seed: int) -> None:
        """Queue the kernels of one round, which reads the first of `fields` and writes the second."""
        rows, columns = (integer(size) for size in start.sources.valid.shape)
        width, count = integer(start.missing.shape[1]), sent["targets"].size
        now, found = at[fields[0]], at[fields[1]]
        pull = (start.sources.pull / (ONE * ONE), c_float)
        numbers = (integer(start.radius), integer(c_int32(seed).value))
        theirs = (at["planes"], at["valid"], at["low"], rows, columns, pull)
        ours = (at["estimate"], at["weight"], at["goal"], width, at["targets"], integer(count))
        self._launch("search" if start.sources.low is None else "search guided", count, *theirs, *ours, now, found, at["cost"], *numbers)
        step = max(count // SAMPLE, 1)
        length = -(-count // step)
        order = (integer(step), integer(length), integer(int(QUANTILE * (length - 1))))
        self._launch("cost_scale", 1, at["cost"], at["targets"], *order, at["scale"])
        self._launch("vote_weights", count, at["cost"], at["targets"], integer(count), at["scale"], at["weights"])
        pixels = sent["pixels"].size
        votes = (at["planes"], columns, found, at["weights"], width, at["pixels"], integer(pixels), at["estimate"])
        self._launch("vote", pixels, *votes)

    def _launch(self, form: str, count: int, *arguments: Argument) -> None:
        self._kernels[form].launch((-(-count // BLOCKS[form]), 1, 1), self._block.stream, list(arguments))


def _inputs(start: Start) -> dict[str, Array]:
    """Collect the arrays of a level, those that change last."""
    sources, estimate = start.sources, start.estimate
    nothing: Shorts = np.zeros(1, np.int16)  # in place of the guide's low frequencies where there are none
    return {
        "planes": sources.planes,
        "valid": sources.valid,
        "low": nothing if sources.low is None else sources.low,
        "weight": estimate.weight,
        "goal": nothing if estimate.goal is None else estimate.goal,
        "targets": np.flatnonzero(start.field[..., 0] >= 0).astype(np.int32),
        "pixels": np.flatnonzero(start.missing).astype(np.int32),
        "scale": np.zeros(1, np.float32),
        "cost": np.zeros(start.missing.shape, np.float32),
        "weights": np.zeros(start.missing.shape, np.float32),
        "field": start.field,
        "found": np.full_like(start.field, -1),
        "estimate": estimate.planes,
    }


def open_rounds(settings: EngineSettings) -> GpuRounds | None:
    """Open the GPU that the settings name for the transfer; None if they name none, or it cannot be used: then the CPU runs it."""
    if not settings.device.startswith("gpu"):
        return None
    try:
        find_gpu(settings.gpu_number())
        return GpuRounds(settings)
    except (EngineError, ImportError) as error:
        log.info("the transfer runs on the CPU: %s", first_line(error))
        return None
