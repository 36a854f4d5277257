"""The detail transfer on a CUDA GPU: what is sent there, the Triton kernels, their ahead-of-time compilation, and their launches."""

from __future__ import annotations
