"""Compile the attention kernel in worker processes, so that several compilations run at the same time and tests share the results."""

from __future__ import annotations

import os
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from gi_plugin.engines.attention.compile import CompiledKernel, compiled

WORKERS = 2
Options = tuple[int, str, float, str]  # architecture, dtype of the products, scale, dtype of the weights


class Kernels:
    """Compiled kernels. A kernel that was started earlier may be ready when a test asks for it."""

    def __init__(self, triton_cache: Path) -> None:
        self.triton_cache = triton_cache  # the folder that Triton would use as its cache
        self._pool = ProcessPoolExecutor(WORKERS, get_context("spawn"), _set_triton_cache, (str(triton_cache),))
        self._futures: dict[Options, Future[CompiledKernel]] = {}

    def start(self, arch: int, dtype: str, scale: float, weights: str = "fp32") -> Future[CompiledKernel]:
        """Start to compile a kernel, unless it was started before."""
        options = arch, dtype, scale, weights
        if options not in self._futures:
            self._futures[options] = self._pool.submit(compiled, *options)
        return self._futures[options]

    def __call__(self, arch: int, dtype: str, scale: float, weights: str = "fp32") -> CompiledKernel:
        """Return the kernel compiled with these options."""
        return self.start(arch, dtype, scale, weights).result()

    def close(self) -> None:
        """End the worker processes."""
        self._pool.shutdown(cancel_futures=True)


def _set_triton_cache(folder: str) -> None:
    os.environ["TRITON_CACHE_DIR"] = folder
