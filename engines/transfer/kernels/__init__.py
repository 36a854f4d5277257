"""The Triton kernels of the transfer."""

from __future__ import annotations
