"""A CUDA GPU: calls of its driver and its memory."""

from __future__ import annotations
