"""The attention kernel's tile sizes and compiler options, shared by its launch and its ahead-of-time compilation."""

from __future__ import annotations

QUERIES = 2  # query cells per program, which share the norms of the key cells; four would need too many registers per thread
KEYS = 128  # key cells per step of a program's loop, one per thread
WARPS = 4
REGISTERS = 168  # per thread: three programs per multiprocessor; without a limit the assembler uses fewer and spills on some architectures
OPTIONS = {"num_warps": WARPS, "num_stages": 1, "maxnreg": REGISTERS, "enable_fp_fusion": True}  # of the Triton compiler


def launch_grid(samples: int, height: int, width: int) -> tuple[int, int, int]:
    """Return the number of programs along x, y and z for `samples` grids of height x width cells.

    It uses only `+`, `*` and `//`, so that it also works with TensorRT's symbolic sizes.
    """
    return (height * width + QUERIES - 1) // QUERIES, samples, 1
