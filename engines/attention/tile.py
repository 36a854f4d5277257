"""How the attention kernel divides its work: what its launch and its compilation agree on."""

from __future__ import annotations

QUERIES = 2  # query cells per program: they share the norms of the key cells; for four of them a thread has too few registers
KEYS = 128  # key cells per step of a program's walk, one per thread
WARPS = 4
REGISTERS = 168  # per thread: three programs per multiprocessor; unbounded, the assembler goes lower and spills on some architectures
OPTIONS = {"num_warps": WARPS, "num_stages": 1, "maxnreg": REGISTERS, "enable_fp_fusion": True}  # of the Triton compiler


def launch_grid(samples: int, height: int, width: int) -> tuple[int, int, int]:
    """Numbers of programs for `samples` grids of height x width cells.

    Only `+`, `*` and `//` are used, so TensorRT's symbolic sizes serve as well.
    """
    return (height * width + QUERIES - 1) // QUERIES, samples, 1
