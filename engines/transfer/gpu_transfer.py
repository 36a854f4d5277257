"""The whole transfer on a CUDA GPU: picture and masks go there in one upload, and the fill comes back in one download.

Only the exponential in the weights of the patches differs from the CPU: a weight by at most 2e-6 of its value, a vote by at most 1 of 1024.
Everything else is equal bit by bit for equal inputs. Later rounds build on the votes: a pixel may get another source than on the CPU.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from threading import Lock

import numpy as np

from gi_plugin.arrays import Array, Bools, Floats
from gi_plugin.config import EngineSettings, usable_cores
from gi_plugin.errors import EngineError, first_line
from gi_plugin.transfer import Guide, Transferred, transfer
from gi_plugin.transfer.arrays import go_on
from gi_plugin.transfer.guide import no_sources
from gi_plugin.transfer.transfer import filled_by_guide, written_back

from ..cache import engine_cache
from ..gpu.driver import Kernel, current_gpu, find_gpu
from ..gpu.memory import Block, Device
from .compile import compiled_kernels
from .composing import compose
from .job import TransferJob, job_of
from .launching import Launcher
from .searching import search_levels
from .self_check import check_on

log = logging.getLogger(__name__)


class GpuTransfer:
    """Runs transfers on the GPU of the settings; several threads may call it, and take turns."""

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

    def __call__(
        self,
        image: Floats,
        hole: Bools,
        guide: Guide,
        *,
        sources: Bools | None = None,
        seed: int = 0,
        threads: int = 0,
        check: Callable[[], None] = go_on,
    ) -> Transferred:
        """Fill the hole of a window; see `gi_plugin.transfer.transfer`. If the GPU's memory is too small, the CPU does it.

        :raises EngineError: if the GPU fails.
        """
        if not hole.any():
            return Transferred(image.copy(), no_sources(hole.shape))
        image, threads = np.ascontiguousarray(image, dtype=np.float32), threads or usable_cores()
        check()
        job = job_of(image, hole, guide, sources, seed, threads)
        if job is None:
            return Transferred(filled_by_guide(image, hole, guide), None)
        check()
        cuda = self._device.cuda
        try:
            received = self._run(job, check)
        except cuda.MemoryError as error:
            log.warning("the transfer runs on the CPU: the GPU has too little memory: %s", first_line(error))
            return transfer(image, hole, guide, sources=sources, seed=seed, threads=threads, check=check)
        except cuda.Error as error:
            raise EngineError(f"the transfer failed on the GPU: {error}") from error
        check()
        return written_back(image, hole, job.levels[0].box, received["filled"], received["field0"], check)

    def close(self) -> None:
        """Release the memory of the GPU and the kernels; a GPU that has failed releases them with its context."""
        with self._lock, self._device.active(), suppress(self._device.cuda.Error, EngineError):
            self._block.close()
            for kernel in self._kernels.values():
                kernel.close()
            self._kernels.clear()

    def _run(self, job: TransferJob, check: Callable[[], None]) -> dict[str, Array]:
        """Queue a transfer and wait for its result."""
        with self._lock, self._device.active():
            launch = Launcher(self._kernels, self._block.stream, self._block.upload(job.sent, job.received, job.scratch))
            search_levels(job, launch, check)
            compose(job, launch, check)
            return self._block.download()


def open_transfer(settings: EngineSettings) -> GpuTransfer | None:
    """Open the GPU that the settings name for the transfer, and check its results.

    :return: None if the settings name none, it cannot be used, or its results are wrong: then the CPU runs the transfer.
    """
    if not settings.device.startswith("gpu"):
        return None
    try:
        find_gpu(settings.gpu_number())
        on_gpu = GpuTransfer(settings)
    except (EngineError, ImportError) as error:
        log.info("the transfer runs on the CPU: %s", first_line(error))
        return None
    try:
        check_on(on_gpu)
    except EngineError as error:
        log.warning("the transfer runs on the CPU: %s", first_line(error))
        on_gpu.close()
        return None
    return on_gpu
