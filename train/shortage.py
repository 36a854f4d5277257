"""Explain that the memory of the GPU, or of the machine, does not suffice for a training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gi_plugin.config import TrainSettings
from gi_plugin.errors import TrainingError, first_line

WORDS = ("out of memory", "ALLOC_FAILED", "can't allocate memory", "not enough memory")  # of CUDA, its libraries, and PyTorch on CPUs


@contextmanager
def shortage_explained(settings: TrainSettings) -> Iterator[None]:
    """Return a context that turns a lack of memory into one line with the remedy.

    :raises TrainingError: if the memory does not suffice.
    """
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one, and so are the errors of cuDNN and cuBLAS
        if not any(word in str(error) for word in WORDS):
            raise
        raise TrainingError(
            f"the memory does not suffice for batch = {settings.batch} and crop = {settings.crop} ({first_line(error)[:200]}); lower "
            "batch or crop, or raise accumulate; the last saved state is kept"
        ) from error
