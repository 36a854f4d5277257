"""Pictures with holes for the transfer on a GPU, and its steps one by one, run in Triton's interpreter on the simulated GPU."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gi_plugin.arrays import Array
from gi_plugin.engines.gpu.memory import Block, Device
from gi_plugin.engines.transfer import composing, searching
from gi_plugin.engines.transfer.forms import BLOCKS
from gi_plugin.engines.transfer.job import TransferJob, job_of
from gi_plugin.engines.transfer.launching import Launcher
from gi_plugin.engines.transfer.level_job import LevelJob
from gi_plugin.transfer import Guide
from gi_plugin.transfer.arrays import Bools, Field, Floats, go_on
from tests.engines.gpu import cuda_stand_in
from tests.engines.transfer.interpreted import InterpretedKernel, simulated
from tests.gi_plugin.transfer.scenes import block, guide, photo


class Case(NamedTuple):
    """The arguments of a transfer."""

    image: Floats
    hole: Bools
    guide: Guide
    sources: Bools | None = None
    seed: int = 0


def case(number: int, hole: Bools, scale: int, sources: Bools | None = None) -> Case:
    """Make a picture, NaN in its hole, with a guide of many colours."""
    image = photo(number, *hole.shape)
    poor = guide(image, hole, scale, number)
    pixels = photo(number + 50, *poor.pixels.shape[:2])
    image[hole] = np.nan
    return Case(image, hole, Guide(pixels, poor.matches, scale), sources, -(3**number))


CASES = {
    "odd sizes": case(1, block(51, 43, 18, 14, 13, 11), 1),
    "at the corner": case(2, block(48, 60, 0, 0, 15, 19), 2),
    "at the edge, chosen sources": case(3, block(45, 62, 30, 25, 15, 10), 4, block(45, 62, 2, 3, 41, 52)),
    "across the picture": case(4, block(40, 37, 16, 0, 5, 37), 2),
    "one level, without the guide's low frequencies": case(5, block(17, 18, 6, 7, 4, 3), 1),
    "smaller than a cell": case(6, block(13, 16, 4, 5, 3, 4), 4),
}


class SimulatedJob:
    """A job whose arrays are on a simulated GPU."""

    def __init__(self, gpu: cuda_stand_in.Gpu, job: TransferJob) -> None:
        """Upload the arrays."""
        self.job, self._gpu, device = job, gpu, Device()
        with device.active():
            block = Block(device)
            self._addresses = block.upload(job.sent, job.received, job.scratch)
        self._stream = gpu.streams[block.stream]
        kernels = {form: InterpretedKernel(b"", form, 0, 0) for form in BLOCKS}
        self.launch = Launcher(kernels, block.stream, self._addresses)  # type: ignore[arg-type]  # has what is used of a kernel
        self._shapes = {name: (array.shape, array.dtype) for name, array in job.sent.items()} | job.received | job.scratch

    def __getitem__(self, name: str) -> Array:
        """An array on the GPU, after all queued work."""
        self._stream.synchronize()
        shape, dtype = self._shapes[name]
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self._gpu.at(self._addresses[name], size).view(dtype).reshape(shape)

    def sizes(self) -> dict[int, int]:
        """Bytes of all arrays, by their addresses in this process."""
        return {self[name].ctypes.data: self[name].nbytes for name in self._shapes}


def run_stages(given: Case) -> dict[str, Array]:
    """Run the steps of a transfer, each from known inputs: copies of what they wrote, and of random states that they started from."""
    job = job_of(*given, threads=1)
    assert job is not None
    with simulated() as gpu:
        on_gpu = SimulatedJob(gpu, job)
        return _begun(on_gpu) | _doubled(on_gpu) | _composed(on_gpu)


def _begun(on_gpu: SimulatedJob) -> dict[str, Array]:
    """The pyramid, low frequencies, and the coarsest level before its rounds."""
    job, launch = on_gpu.job, on_gpu.launch
    coarsest = job.levels[-1]
    searching.pyramid(job, launch)
    for level in job.levels:
        if level.guided or level is coarsest:
            searching.complete(job, level, launch)
        if level.guided:
            searching.low_frequencies(job, level, launch)
    searching.first_estimate(job, coarsest, launch)
    searching.attend(job, coarsest, launch)
    names = [f"{name}{level.number}" for name in ("planes", "counts", "context", "lows", "goal") for level in job.levels]
    found = {name: on_gpu[name].copy() for name in names if name in job.scratch}
    first = {"estimate": f"estimate{coarsest.number}", "field": searching.fields(coarsest)[0]}
    return found | {f"first_{name}": on_gpu[array].copy() for name, array in first.items()}


def _doubled(on_gpu: SimulatedJob) -> dict[str, Array]:
    """Every level but the coarsest before its rounds, from random sources of the coarser one."""
    found = {}
    for level, coarser in zip(on_gpu.job.levels, on_gpu.job.levels[1:], strict=False):
        for name, array in _random_state(coarser).items():
            on_gpu[f"{name}{coarser.number}"][:] = found[f"coarse_{name}{level.number}"] = array
        searching.double(on_gpu.job, level, coarser, on_gpu.launch)
        field, other = searching.fields(level)
        written = {"field": field, "other": other, "weights": f"weights{level.number}", "estimate": f"estimate{level.number}"}
        found |= {f"doubled_{name}{level.number}": on_gpu[array].copy() for name, array in written.items()}
    return found


def _composed(on_gpu: SimulatedJob) -> dict[str, Array]:
    """The composition, from random sources and votes."""
    state = _random_state(on_gpu.job.levels[0])
    random = np.random.default_rng(7)
    state["estimate"] = random.integers(-1024, 1025, (*on_gpu.job.levels[0].box.shape, 5)).astype(np.int16)
    for name, array in state.items():
        on_gpu[f"{name}0"][:] = array
    composing.compose(on_gpu.job, on_gpu.launch, go_on)
    return {f"last_{name}": array for name, array in state.items()} | {"filled": on_gpu["filled"].copy()}


def _random_state(level: LevelJob) -> dict[str, Array]:
    """Random valid sources [h, w, 2] of all targets, and weights [h, w]."""
    random = np.random.default_rng(level.number)
    target = level.around.target
    centres = np.argwhere(level.masks.valid)
    field: Field = np.full((*target.shape, 2), -1, np.int32)
    field[target] = centres[random.integers(len(centres), size=int(target.sum()))]
    weights = np.where(target, random.uniform(1e-6, 1, target.shape), 0).astype(np.float32)
    return {"field": field, "weights": weights}
