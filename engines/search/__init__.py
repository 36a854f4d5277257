"""The rounds of the detail transfer on a CUDA GPU: the Triton kernels, their ahead-of-time compilation, and their launches."""

from __future__ import annotations
