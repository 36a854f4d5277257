"""The attention step on a GPU: the Triton kernel, its ahead-of-time compilation, and its use in PyTorch."""

from __future__ import annotations
